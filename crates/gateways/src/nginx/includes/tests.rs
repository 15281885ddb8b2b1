use std::{fs, path::Path};

use rstest::rstest;

use super::*;
use crate::Choice;

/// Returns the includes for a gateway that is trusted with the user's id in this header.
fn with_user(id: &str, options: Options) -> Vec<Include> {
    let user = UserHeaders {
        id: id.parse().unwrap(),
        groups: HeaderName::from_static("miausergroups"),
        properties: HeaderName::from_static("miauserproperties"),
    };
    let choice = Choice {
        user: Some(user),
        ..Choice::default()
    };
    includes(&Names::new(choice).unwrap(), &Servers::default(), options).unwrap()
}

/// Returns the values that an include sets for a header, in the order of its lines.
fn values(include: &str, header: &str) -> Vec<String> {
    include
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("proxy_set_header ")?
                .split_once(' ')
        })
        .filter(|(name, _)| *name == header)
        .map(|(_, value)| value.trim().trim_end_matches(';').to_owned())
        .collect()
}

/// Returns the includes for these key headers and cookies.
fn of(headers: &[&str], cookies: &[&str]) -> Result<Vec<Include>, IncludesError> {
    let choice = Choice {
        key_headers: headers.iter().map(|name| name.parse().unwrap()).collect(),
        key_cookies: cookies.iter().map(|name| (*name).to_owned()).collect(),
        ..Choice::default()
    };
    let names = Names::new(choice).unwrap();
    includes(&names, &Servers::default(), Options::default())
}

fn text<'i>(includes: &'i [Include], name: &str) -> &'i str {
    &includes.iter().find(|it| it.name == name).unwrap().text
}

#[test]
fn the_files_in_the_folder_nginx_are_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nginx");
    for include in of(&["client-key", "secret"], &["mia_client_key"]).unwrap() {
        let file = fs::read_to_string(folder.join(include.name)).unwrap_or_default();
        assert!(
            file == include.text,
            "nginx/{} differs: `make includes` writes it",
            include.name
        );
    }
}

#[test]
fn every_variable_that_an_include_uses_is_defined_there() {
    let includes = of(&["x-api-key"], &["session", "apikey"]).unwrap();
    let cookie = text(&includes, "keygate.conf")
        .lines()
        .find_map(|line| line.strip_prefix("map $http_cookie ")?.strip_suffix(" {"))
        .unwrap();
    assert_ne!(cookie, "$keygate_cookie");
    for name in [
        "keygate-server.conf",
        "keygate-authorize.conf",
        "keygate-require-key.conf",
    ] {
        assert!(
            text(&includes, name).contains(&format!("{cookie};")),
            "{name}"
        );
    }
}

#[rstest]
#[case("miauserid")]
#[case("x-forwarded-user")]
fn a_trusted_gateway_names_the_user_to_the_authorizer_alone(#[case] id: &str) {
    let includes = with_user(id, Options::default());
    let (variable, removed) = ("$keygate_trusted_user_id".to_owned(), "\"\"".to_owned());
    // Step 2 stands before what all steps have in common.
    assert_eq!(
        values(text(&includes, "keygate-server.conf"), id),
        [variable.clone(), removed.clone()]
    );
    assert_eq!(
        values(text(&includes, "keygate-server-single.conf"), id),
        [variable]
    );
    for name in ["keygate-authorize.conf", "keygate-require-key.conf"] {
        for spelling in std::iter::once(id.to_owned()).chain(spellings(id)) {
            let values = values(text(&includes, name), &spelling);
            assert_eq!(values, [removed.as_str()], "{name}: {spelling}");
        }
    }
    for name in ["keygate.conf", "keygate-unix.conf", "keygate-maps.conf"] {
        assert!(text(&includes, name).contains("map \"\" $keygate_trusted_user_id {\n"));
    }
}

#[rstest]
#[case(0, "2s", "4s")]
#[case(1000, "2s", "4s")]
#[case(1500, "2s", "4s")]
#[case(1501, "3s", "5s")]
#[case(60_000, "61s", "63s")]
fn nginx_waits_longer_than_a_look_up_of_a_user(
    #[case] milliseconds: u64,
    #[case] read: &str,
    #[case] next: &str,
) {
    let options = Options {
        user_lookup: Duration::from_millis(milliseconds),
        ..Options::default()
    };
    for name in ["keygate-server.conf", "keygate-server-single.conf"] {
        let includes = with_user("miauserid", options);
        let text = text(&includes, name);
        assert!(
            text.contains(&format!("proxy_read_timeout {read};")),
            "{text}"
        );
        assert!(text.contains(&format!("proxy_next_upstream_timeout {next};")));
    }
}

#[rstest]
#[case(0, 16)]
#[case(3 * 4096, 16)]
#[case(3 * 4096 + 1, 20)]
#[case(4 * 65_535, 260)]
fn nginx_has_room_for_the_longest_identity(#[case] identity_bytes: usize, #[case] size: usize) {
    let options = Options {
        identity_bytes,
        ..Options::default()
    };
    let includes = with_user("miauserid", options);
    let text = text(&includes, "keygate-server.conf");
    assert!(
        text.contains(&format!("proxy_buffer_size {size}k;")),
        "{text}"
    );
    assert!(text.contains(&format!("proxy_busy_buffers_size {}k;", 2 * size)));
}

#[rstest]
#[case("client-type", &["client_type"])]
#[case("secret", &[])]
#[case("api_key", &["api-key"])]
#[case("x-api-key", &["x_api-key", "x-api_key", "x_api_key"])]
#[case("a-b-c-d-e", &["a_b_c_d_e"])]
fn spellings_differ_in_their_separators(#[case] name: &str, #[case] expected: &[&str]) {
    assert_eq!(spellings(name), expected);
}

#[rstest]
#[case("a.b", r"a\x2eb")]
#[case("a|b", r"a\x7cb")]
#[case("$x`'", r"\x24x\x60\x27")]
#[case("__Host-key", "__Host-key")]
fn a_cookie_name_is_plain_text_in_the_expressions(#[case] name: &str, #[case] expected: &str) {
    let includes = of(&["client-key"], &[name]).unwrap();
    assert!(text(&includes, "keygate.conf").contains(&format!("\"~{expected}\"")));
}

#[rstest]
#[case("x.api.key")]
#[case("x!key")]
#[case("$key")]
fn a_header_that_nginx_cannot_remove_is_an_error(#[case] name: &str) {
    let error = of(&[name], &[]).unwrap_err();
    assert_eq!(error, IncludesError::InvalidHeader(name.parse().unwrap()));
}

#[test]
fn names_beyond_the_limits_of_nginx_are_an_error() {
    let long = "x".repeat(101);
    assert!(matches!(of(&[&long], &[]), Err(IncludesError::TooLong(_))));
    assert!(matches!(of(&[], &[&long]), Err(IncludesError::TooLong(_))));
    let many: Vec<String> = (0..17).map(|n| format!("x-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(of(&many, &[]).unwrap_err(), IncludesError::TooMany(17));
}

#[rstest]
#[case("127.0.0.1:7081")]
#[case("[::1]:7081")]
#[case("keygate-resolver.shop.svc:7081")]
#[case("unix:/run/keygate/resolver.sock")]
fn an_address_is_a_host_and_port_or_a_socket(#[case] text: &str) {
    assert_eq!(text.parse::<Server>().unwrap().to_string(), text);
}

#[rstest]
#[case("7081")]
#[case("127.0.0.1")]
#[case("127.0.0.1:0")]
#[case("127.0.0.1:7081; } http {")]
#[case("a b:1")]
#[case("$host:7081")]
#[case("unix:relative")]
#[case("unix:/a b")]
#[case("unix:/a;b")]
#[case("unix:/a\n}")]
#[case("unix:/$x")]
#[case("[::1; }]:1")]
fn invalid_addresses_are_rejected(#[case] text: &str) {
    assert!(text.parse::<Server>().is_err());
}
