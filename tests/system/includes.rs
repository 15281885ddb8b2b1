//! Variants of an include differ only where necessary.

use std::fs;
use std::path::Path;

use crate::support::gateway::ROOT;

/// Returns the directives of an include, without comments, empty lines and indentation.
fn directives(name: &str) -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("nginx").join(name)).unwrap();
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Returns the lines that occur in only one of two lists, in their order.
fn difference(left: &[String], right: &[String]) -> (Vec<String>, Vec<String>) {
    let only = |these: &[String], those: &[String]| {
        these
            .iter()
            .filter(|line| !those.contains(line))
            .cloned()
            .collect()
    };
    (only(left, right), only(right, left))
}

#[test]
fn the_unix_variant_differs_in_its_server_lines_only() {
    let text = |name: &str| fs::read_to_string(Path::new(ROOT).join("nginx").join(name)).unwrap();
    let (tcp, unix) = (text("keygate.conf"), text("keygate-unix.conf"));
    assert_eq!(tcp.lines().count(), unix.lines().count());
    let changed: Vec<_> = tcp
        .lines()
        .zip(unix.lines())
        .filter(|(tcp, unix)| tcp != unix)
        .collect();
    assert_eq!(
        changed,
        [
            (
                "    server 127.0.0.1:7081 max_fails=0;",
                "    server unix:/run/keygate/resolver.sock max_fails=0;"
            ),
            (
                "    server 127.0.0.1:7082 max_fails=0;",
                "    server unix:/run/keygate/authorizer.sock max_fails=0;"
            ),
            (
                "    server 127.0.0.1:7080 max_fails=0;",
                "    server unix:/run/keygate/serve.sock max_fails=0;"
            ),
        ]
    );
}

#[test]
fn the_maps_are_those_of_the_file_with_upstreams() {
    let (all, maps) = (directives("keygate.conf"), directives("keygate-maps.conf"));
    let first_map = all
        .iter()
        .position(|line| line.starts_with("map "))
        .unwrap();
    assert_eq!(all[first_map..], maps[..]);
    assert!(
        all[..first_map]
            .iter()
            .all(|line| !line.starts_with("map "))
    );
}

#[test]
fn require_key_differs_from_authorize_in_its_subrequest_only() {
    assert_eq!(
        difference(
            &directives("keygate-authorize.conf"),
            &directives("keygate-require-key.conf")
        ),
        (
            vec!["auth_request /_keygate/authorize;".to_owned()],
            vec!["auth_request /_keygate/require;".to_owned()]
        )
    );
}

#[test]
fn the_single_variant_differs_in_its_steps_only() {
    let (pair, single) = (
        directives("keygate-server.conf"),
        directives("keygate-server-single.conf"),
    );
    let (_, only_single) = difference(&pair, &single);
    assert_eq!(
        only_single,
        [
            "proxy_pass http://keygate_serve/check;",
            "proxy_pass http://keygate_serve/require;"
        ]
    );
    // Without its second step, and with the single upstream, the pair equals the single variant.
    let second = pair
        .iter()
        .position(|line| line.contains("= /_keygate/authorizer"))
        .unwrap();
    let end = second + pair[second..].iter().position(|line| line == "}").unwrap();
    let mut one_hop = pair;
    one_hop.drain(second..=end);
    let one_hop: Vec<String> = one_hop
        .iter()
        .map(|line| match line.as_str() {
            "proxy_pass http://keygate_resolver/resolve;" => {
                "proxy_pass http://keygate_serve/check;"
            }
            "proxy_pass http://keygate_resolver/require;" => {
                "proxy_pass http://keygate_serve/require;"
            }
            "set $keygate_next /_keygate/authorizer;" => r#"set $keygate_next "";"#,
            line => line,
        })
        .map(str::to_owned)
        .collect();
    // Only two steps have to store the key's id.
    let without_id = |lines: Vec<String>| -> Vec<String> {
        let is_id = |line: &String| line.starts_with("set $keygate_resolved_key_id ");
        lines.into_iter().filter(|line| !is_id(line)).collect()
    };
    assert_eq!(without_id(one_hop), without_id(single));
}

#[test]
fn every_step_replaces_the_same_headers() {
    // The second step has its own `proxy_set_header`, so it inherits none from the outer location.
    let lines = directives("keygate-server.conf");
    let second = lines
        .iter()
        .position(|line| line.contains("= /_keygate/authorizer"))
        .unwrap();
    let end = second + lines[second..].iter().position(|line| line == "}").unwrap();
    let names = |lines: &[String]| -> Vec<String> {
        let headers = lines
            .iter()
            .filter_map(|line| line.strip_prefix("proxy_set_header "));
        headers
            .filter_map(|line| line.split(' ').next())
            .map(str::to_owned)
            .collect()
    };
    let in_the_second_step = names(&lines[second..end]);
    for name in names(&lines[end..]) {
        assert!(
            in_the_second_step.contains(&name),
            "the second step leaves `{name}` to the caller"
        );
    }
}
