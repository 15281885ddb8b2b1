use rstest::rstest;

use super::*;

fn user(id: HeaderName) -> UserHeaders {
    UserHeaders {
        id,
        groups: HeaderName::from_static("miausergroups"),
        properties: HeaderName::from_static("miauserproperties"),
    }
}

/// Returns the names with one setting changed.
fn with(setting: &str, names: &str) -> Result<Names, String> {
    let mut choice = Choice::default();
    let mut headers = names.split(',').map(|name| name.parse().unwrap());
    match setting {
        KEY_HEADERS => choice.key_headers = headers.collect(),
        CLIENT_TYPE_HEADER => choice.client_type = headers.next().unwrap(),
        BACKOFFICE_HEADER => choice.backoffice = headers.next().unwrap(),
        "users.trusted-headers.id" => choice.user = Some(user(headers.next().unwrap())),
        _ => choice.client_address = headers.next().unwrap(),
    }
    Names::new(choice).map_err(|error| format!("{}: {error}", error.setting()))
}

#[rstest]
fn headers_with_another_meaning_are_rejected(
    #[values(
        KEY_HEADERS,
        CLIENT_TYPE_HEADER,
        BACKOFFICE_HEADER,
        CLIENT_ADDRESS_HEADER
    )]
    setting: &str,
    #[values(
        "host",
        "connection",
        "cookie",
        "transfer-encoding",
        "original-request-uri",
        "original_request_uri",
        "x-keygate-next",
        "x-keygate-key-id",
        "x_keygate_key_id",
        "x-keygate-names",
        "x-accel-redirect",
        "miauserid",
        "miagroups",
        "mia-allowed",
        "mia_userid",
        "x-request-id"
    )]
    name: &str,
) {
    let error = with(setting, name).unwrap_err();
    assert!(
        error.starts_with(&format!("{setting}: the header `{name}`")),
        "{error}"
    );
}

#[rstest]
#[case(KEY_HEADERS, "client-type", CLIENT_TYPE_HEADER)]
#[case(KEY_HEADERS, "x-key,client_type", CLIENT_TYPE_HEADER)]
#[case(KEY_HEADERS, "isbackoffice", BACKOFFICE_HEADER)]
#[case(CLIENT_TYPE_HEADER, "isbackoffice", BACKOFFICE_HEADER)]
#[case(BACKOFFICE_HEADER, "client-type", CLIENT_TYPE_HEADER)]
#[case(BACKOFFICE_HEADER, "Client_Type", CLIENT_TYPE_HEADER)]
#[case(CLIENT_ADDRESS_HEADER, "client-type", CLIENT_TYPE_HEADER)]
#[case("users.trusted-headers.id", "client_type", CLIENT_TYPE_HEADER)]
#[case("users.trusted-headers.id", "secret", KEY_HEADERS)]
#[case(
    "users.trusted-headers.id",
    "miausergroups",
    "users.trusted-headers.groups"
)]
#[case(
    "users.trusted-headers.id",
    "miauserproperties",
    "users.trusted-headers.properties"
)]
fn two_settings_cannot_share_a_header(
    #[case] setting: &str,
    #[case] names: &str,
    #[case] other: &str,
) {
    let error = with(setting, names).unwrap_err();
    assert!(
        error.contains(&format!("is already used for `{other}`")),
        "{error}"
    );
}

#[test]
fn a_key_header_is_not_an_identity_header() {
    for (setting, name) in [
        (CLIENT_TYPE_HEADER, "secret"),
        (BACKOFFICE_HEADER, "client_key"),
    ] {
        assert!(with(setting, name).is_err(), "{setting}: {name}");
    }
    assert!(with(CLIENT_ADDRESS_HEADER, "secret").is_err());
    assert!(with(CLIENT_TYPE_HEADER, "authorization").is_err());
}

#[rstest]
#[case(KEY_HEADERS, "x-api-key,authorization")]
#[case(CLIENT_TYPE_HEADER, "x-client-type")]
#[case(BACKOFFICE_HEADER, "x-backoffice")]
#[case(CLIENT_ADDRESS_HEADER, "x-real-ip")]
#[case(CLIENT_ADDRESS_HEADER, "x-keygate-client-address")]
#[case("users.trusted-headers.id", "miauserid")]
#[case("users.trusted-headers.id", "mia-userid")]
#[case("users.trusted-headers.id", "x-forwarded-user")]
fn other_names_are_accepted(#[case] setting: &str, #[case] names: &str) {
    with(setting, names).unwrap();
}

#[test]
fn the_order_of_names_does_not_matter() {
    let value = |names| with(KEY_HEADERS, names).unwrap().header_value();
    assert_eq!(value("b,A,b"), value("a,b"));
    assert_eq!(
        Names::default().header_value(),
        "headers=client-key,secret;cookies=mia_client_key;address=x-keygate-client-address;\
         client-type=client-type;backoffice=isbackoffice"
    );
}

#[rstest]
#[case("mia-allowed")]
#[case("x-keygate-token")]
#[case("x_keygate_token")]
#[case("authorization")]
#[case("cookie")]
fn no_gateway_is_trusted_with_other_headers(#[case] name: &str) {
    let error = with("users.trusted-headers.id", name).unwrap_err();
    assert!(error.ends_with("such as `x-user-id`"), "{error}");
}

#[test]
fn the_headers_of_the_user_are_part_of_the_value() {
    let names = with("users.trusted-headers.id", "x_user").unwrap();
    assert_eq!(
        names.authorizer_value(),
        "client-type=client-type;backoffice=isbackoffice;\
         user=x_user,miausergroups,miauserproperties"
    );
    assert_eq!(names.resolver_value(), Names::default().resolver_value());
}

#[test]
fn names_cannot_break_out_of_quotes() {
    let choice = Choice {
        key_cookies: vec!["a$b'c;=,%".to_owned()],
        ..Choice::default()
    };
    let value = Names::new(choice).unwrap().header_value();
    assert!(value.contains("cookies=a%24b%27c%3b%3d%2c%25;"), "{value}");
}
