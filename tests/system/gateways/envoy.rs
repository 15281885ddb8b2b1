//! What docs/envoy.md adds to the examples for Envoy, and says about them.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rstest::rstest;

use crate::gateways::examples::{
    ENVOY_BACKOFFICE, ENVOY_GRPC_PAIR, ENVOY_GRPC_SERVE, ENVOY_HTTP_PAIR, ENVOY_HTTP_SERVE,
};
use crate::support::caller;
use crate::support::example::{Example, with_lines};
use crate::support::gateway::ROOT;
use crate::support::problem::is_problem;
use crate::support::report;

/// Returns the blocks of YAML in the page, without indentation.
fn blocks() -> Vec<Vec<String>> {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/envoy.md")).unwrap();
    let blocks = page.split("```yaml\n").skip(1);
    let block = |text: &str| lines(text.split("\n```").next().unwrap());
    blocks.map(block).collect()
}

/// Returns the lines of a text, without indentation.
fn lines(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.trim().to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

/// Returns the block of the page that has this line, as it is written there.
fn block_with(line: &str) -> String {
    let page = fs::read_to_string(Path::new(ROOT).join("docs/envoy.md")).unwrap();
    let mut blocks = page.split("```yaml\n").skip(1);
    let block = blocks.find_map(|text| {
        let (block, _) = text.split_once("\n```")?;
        block.contains(line).then(|| format!("\n{block}"))
    });
    block.unwrap_or_else(|| panic!("no block has {line}"))
}

#[test]
fn the_page_shows_what_the_tests_run() {
    let example = Path::new(ROOT).join("deploy/envoy/grpc-serve.yaml");
    let example = lines(&fs::read_to_string(example).unwrap());
    let added = [
        ENVOY_BACKOFFICE,
        &block_with("/static/"),
        &block_with("grpc_health_check"),
    ];
    let added: Vec<_> = added.into_iter().map(lines).collect();
    for block in blocks() {
        let is_part = example.windows(block.len()).any(|part| part == block);
        assert!(is_part || added.contains(&block), "{block:?}");
    }
}

#[rstest]
fn a_route_without_keygate_is_alone_in_that(
    #[values(ENVOY_HTTP_PAIR, ENVOY_HTTP_SERVE, ENVOY_GRPC_PAIR, ENVOY_GRPC_SERVE)]
    example: Example,
) {
    let mut route = block_with("/static/");
    if example.services.len() == 2 {
        let (start, disabled) = route.split_once("    keygate:\n").unwrap();
        route = format!(
            "{start}    keygate-resolver:\n{disabled}\n    keygate-authorizer:\n{disabled}"
        );
    }
    let normalized = [
        ("normalize_path: false", "normalize_path: true"),
        ("merge_slashes: false", "merge_slashes: true"),
        ("KEEP_UNCHANGED", "REJECT_REQUEST"),
    ];
    let gateway = example.start_changed(|_, text| {
        if !text.contains("normalize_path") {
            return text;
        }
        let text = with_lines(&text, &route);
        let replaced = normalized.iter();
        replaced.fold(text, |text, (from, to)| text.replace(from, to))
    });
    let cases = [
        ("/static/x", 200),
        ("/orders", 401),
        ("/static/../orders", 401),
        ("/static/%2e%2e/orders", 401),
        ("/static//../../orders", 401),
        ("//static/../orders", 401),
        ("/static/..%2forders", 400),
        ("/static/..%5corders", 400),
    ];
    for (target, status) in cases {
        let response = caller::get(&gateway.address, target, &[]);
        assert_eq!(response.status(), status, "{target}: {response:?}");
        assert_eq!(gateway.backend.take().len(), usize::from(status == 200));
        report::passed_at(example.name, &format!("without Keygate: {target}"));
    }
}

/// Lets Envoy check the health of the services.
fn with_health_checks(text: &str) -> String {
    let checks = block_with("grpc_health_check");
    let checks = checks.trim_start().replace('\n', "\n      ");
    let checks = format!("      {checks}\n");
    let mut parts = text.split("    - name: keygate");
    let start = parts.next().unwrap().to_owned();
    // Only after the line `clusters:` they are clusters.
    parts.fold(start, |text, part| {
        if !text.contains("\n  clusters:") {
            return format!("{text}    - name: keygate{part}");
        }
        let (name, rest) = part.split_once('\n').unwrap();
        format!("{text}    - name: keygate{name}\n{checks}{rest}")
    })
}

#[rstest]
fn a_service_that_stops_is_skipped_before_it_closes(
    #[values(ENVOY_GRPC_PAIR, ENVOY_GRPC_SERVE)] example: Example,
) {
    let example = Example {
        settings: &[("KEYGATE_SHUTDOWN_DELAY_SECONDS", "20")],
        ..example
    };
    let gateway = example.start_changed(|_, text| with_health_checks(&text));
    let status = || caller::get(&gateway.address, "/public/page", &[]).status();
    assert_eq!(status(), 200, "{}", gateway.logs());
    gateway.services[0].signal("TERM");
    for _ in 0..100 {
        if status() == 503 {
            report::passed_at(example.name, "health: a service that stops");
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("it still gets requests: {}", gateway.logs());
}

#[test]
fn without_raw_headers_every_request_is_denied_with_a_hint() {
    let gateway = ENVOY_GRPC_SERVE.start_changed(|_, text| {
        text.replace("encode_raw_headers: true", "encode_raw_headers: false")
    });
    let response = caller::get(&gateway.address, "/public/page", &[]);
    assert_eq!(is_problem(&response, 403, "malformed-request"), Ok(()));
    assert!(gateway.backend.take().is_empty());
    let log = gateway.logs();
    assert!(log.contains("set `encode_raw_headers: true`"), "{log}");
    let metrics = caller::get_unix(&gateway.operations(0), "/metrics").body;
    let metrics = String::from_utf8(metrics).unwrap();
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix("keygate_gateway_errors_total{step=\"authorize\"} "));
    // The test's own requests that wait for routes count too.
    assert!(count.is_some_and(|count| count != "0"), "{metrics}");
    report::passed_at(ENVOY_GRPC_SERVE.name, "headers that are joined");
}

/// The filter sets the user in place of `jwt_authn`, after the client's own headers are removed.
const TRUSTED_USER: &str = "- remove: mia-allowed
                          - append:
                              header: { key: miauserid, value: ada }
                              append_action: OVERWRITE_IF_EXISTS_OR_ADD
                          - append:
                              header: { key: miausergroups, value: \"staff, admin\" }
                              append_action: OVERWRITE_IF_EXISTS_OR_ADD";

#[rstest]
fn a_user_that_envoy_states_is_trusted(
    #[values(ENVOY_HTTP_PAIR, ENVOY_HTTP_SERVE, ENVOY_GRPC_PAIR, ENVOY_GRPC_SERVE)]
    example: Example,
    #[values(true, false)] is_trusted: bool,
) {
    let folder = crate::support::gateway::corpus_folder();
    let peers = if is_trusted { "127.0.0.1" } else { "192.0.2.1" };
    let settings = format!("users: {{trusted-headers: {{peers: [{peers}]}}}}\n");
    fs::write(folder.path().join("settings.yaml"), settings).unwrap();
    let gateway = example.start_in(folder, |_, text| {
        let text = text.replace("- remove: mia-allowed", TRUSTED_USER);
        let names = "- exact: isbackoffice\n                          - exact: miauserid\n                          - exact: miausergroups";
        text.replace("- exact: isbackoffice", names)
    });
    let claimed = ["miauserid: root", "miausergroups: root"];
    for (target, needs_user) in [("/staff", true), ("/public/page", false)] {
        let response = caller::get(&gateway.address, target, &claimed);
        let is_allowed = is_trusted || !needs_user;
        assert_eq!(
            response.status(),
            if is_allowed { 200 } else { 401 },
            "{target}: {response:?} {}",
            gateway.logs()
        );
        let received = gateway.backend.take();
        assert_eq!(received.len(), usize::from(is_allowed));
        for request in received {
            let expected = needs_user.then_some(("ada", "admin,staff"));
            assert_eq!(request.header("miauserid"), expected.map(|(id, _)| id));
            let groups = expected.map(|(_, groups)| groups);
            assert_eq!(request.header("miausergroups"), groups);
        }
    }
    report::passed_at(example.name, &format!("trusted headers: {is_trusted}"));
}

#[test]
fn the_listener_for_grpc_may_be_a_unix_socket() {
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("keygate.sock");
    let listen = format!("unix:{}", path.display());
    let folder = crate::support::gateway::corpus_folder();
    let role = crate::support::gateway::Role::Serve;
    let _service = role.start_with_grpc(&listen, folder.path(), &[]);
    // The services of the example listen too, and get no request.
    let gateway = ENVOY_GRPC_SERVE.start_changed(|name, text| {
        let Some((start, rest)) = text.split_once("cluster_name: keygate\n        endpoints:")
        else {
            assert!(!name.starts_with("grpc-serve"), "{text}");
            return text;
        };
        let (before, after) = rest.split_once("socket_address: ").unwrap();
        let (_, after) = after.split_once('\n').unwrap();
        let pipe = format!("pipe: {{ path: {} }}", path.display());
        format!("{start}cluster_name: keygate\n        endpoints:{before}{pipe}\n{after}")
    });
    let key = ["client-key: sample-key-of-client-a"];
    let response = caller::get(&gateway.address, "/orders", &key);
    assert_eq!(response.status(), 200, "{}", gateway.logs());
    gateway.services[0].signal("KILL");
    assert_eq!(caller::get(&gateway.address, "/orders", &key).status(), 200);
    assert_eq!(caller::get(&gateway.address, "/orders", &[]).status(), 401);
    report::passed_at(ENVOY_GRPC_SERVE.name, "a Unix socket");
}
