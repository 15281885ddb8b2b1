//! nginx and Keygate interpret every request target in the same way, or Keygate rejects it.
//!
//! nginx responds with its `$uri` and the location that it chose; the policy has a rule for each
//! location. `KEYGATE_PATH_CASES` is the number of targets, `KEYGATE_PATH_SEED` the seed of the
//! random ones.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Write};
use std::net::TcpStream;
use std::{env, fs};

use keygate_expression::Facts;
use keygate_policy::path::interpretations::Interpretation;
use keygate_policy::path::{Ambiguity, CanonicalPath, Treatment};
use keygate_policy::policy::Match;
use keygate_policy::{Policy, Request};
use rstest_reuse::apply;
use tempfile::TempDir;

use crate::support::caller;
use crate::support::gateway::free_port;
use crate::support::http_message::{Message, bytes_of};
use crate::support::nginx::{Nginx, Version, each_nginx};
use crate::support::report;

#[path = "../differential/paths_grammar.rs"]
mod grammar;

/// Every rule allows only the client type with its number, which identifies the rule that allowed a
/// request.
const POLICY: &str = "
version: 1
endpoints:
  - { path: /a,     TREATMENT, groupExpression: clientType === '0' }
  - { path: /a/b,   TREATMENT, groupExpression: clientType === '1' }
  - { path: /a/b/a, TREATMENT, groupExpression: clientType === '2' }
  - { path: /ab,    TREATMENT, groupExpression: clientType === '3' }
  - { path: /a.b,   TREATMENT, groupExpression: clientType === '4' }
  - { path: /a%25b, TREATMENT, groupExpression: clientType === '5' }
  - { path: /\u{e4}, TREATMENT, groupExpression: clientType === '6' }
  - path: /b
    TREATMENT
    groupExpression: clientType === '7'
    routes:
      - { path: '/{id}', groupExpression: clientType === '8' }
      - { path: /a,      groupExpression: clientType === '9' }
";

/// The locations for the same requests as the policy's rules, in the same order.
///
/// A base path covers itself and the paths below it. nginx's prefixes ignore segments, so this takes
/// two locations.
const LOCATIONS: [&[&str]; 10] = [
    &["= /a", "^~ /a/"],
    &["= /a/b", "^~ /a/b/"],
    &["= /a/b/a", "^~ /a/b/a/"],
    &["= /ab", "^~ /ab/"],
    &["= /a.b", "^~ /a.b/"],
    &["= /a%b", "^~ /a%b/"],
    &["= /\u{e4}", "^~ /\u{e4}/"],
    &["= /b", "/b/"],
    &[r#"~ "^/b/[^/]+/?\z""#],
    &["= /b/a", "= /b/a/"],
];

/// Targets of known attacks, tried before the random ones.
const KNOWN: [&[u8]; 24] = [
    b"/a/../b",
    b"/a/%2e%2e/b",
    b"/a/..%2fb",
    b"/a%2f..%2fb",
    b"/a/..;/b",
    b"/a;x/b",
    b"/a\\..\\b",
    b"/a/%5c..%5cb",
    b"/a/%252e%252e/b",
    b"/a//b",
    b"//a/b",
    b"/a/./b/.",
    b"/a/b/..",
    b"/a#/../b",
    b"/a%23/../b",
    b"/a?/../b",
    b"/a%3f/../b",
    b"http://b/a",
    b"http://b?/a",
    b"/..",
    b"/a/%00",
    b"/a/%zz",
    b"/%61/%62",
    b"/a/\xc0\xaf..\xc0\xafb",
];

#[apply(each_nginx)]
fn keygate_interprets_targets_as_nginx_or_rejects_them(version: Version) {
    let mut server = Server::start(version, "on");
    let policies = [policy(false), policy(true)];
    let mut tally = Tally::default();
    for target in targets() {
        let Some(read) = server.read(&target) else {
            tally.rejected_by_nginx += 1;
            continue;
        };
        tally.rules.insert(read.rule);
        // The target from nginx, and the one that was sent: other gateways may pass the latter.
        let passed = CanonicalPath::parse(&read.request_uri);
        let sent = CanonicalPath::parse(&target);
        if passed.is_err() && sent.is_err() {
            tally.rejected += 1;
            continue;
        }
        let interpretations = [(&read.request_uri, passed), (&target, sent)];
        let wrong = interpretations
            .into_iter()
            .find_map(|(target, path)| compare(&policies, target, path.ok()?.as_bytes(), &read));
        let clients = allowed_clients(&policies[0], &read.request_uri).count();
        tally.note(&target, &read, clients, wrong);
    }
    tally.finish(version, "");
}

/// With `merge_slashes off`, nginx's `$uri` differs from Keygate's canonical path, so users must not set
/// it.
///
/// Even then, no request reaches a location that another rule guards. But `//a/b`, which the rule for
/// `/a/b` allows, reaches `location /`, which no endpoint covers.
#[apply(each_nginx)]
fn unmerged_slashes_reach_only_locations_without_an_endpoint(version: Version) {
    let mut server = Server::start(version, "off");
    let policies = [policy(false), policy(true)];
    let unmerged = Interpretation {
        merges_slashes: false,
        ..Interpretation::NGINX
    };
    let mut tally = Tally::default();
    let mut misrouted = 0;
    for target in targets() {
        let Some(read) = server.read(&target) else {
            tally.rejected_by_nginx += 1;
            continue;
        };
        tally.rules.insert(read.rule);
        let Ok(path) = CanonicalPath::parse(&target) else {
            tally.rejected += 1;
            continue;
        };
        let known = unmerged.path(&target);
        let mut wrong =
            (known != read.path).then(|| format!("expected `{}`", known.escape_ascii()));
        let strictly = allowed_clients(&policies[0], &target).count();
        for policy in &policies {
            let others = allowed_clients(policy, &target);
            let others: Vec<_> = others.filter(|client| Some(*client) != read.rule).collect();
            let repeats = path.ambiguities().contains(Ambiguity::RepeatedSlash);
            if !others.is_empty() && read.rule.is_none() && repeats {
                misrouted += 1;
            } else if !others.is_empty() {
                wrong = Some(format!("Keygate allows {others:?}"));
            }
        }
        tally.note(&target, &read, strictly, wrong);
    }
    assert!(misrouted > 0, "the documentation says that there are some");
    tally.finish(
        version,
        &format!(" with `merge_slashes off` ({misrouted} misrouted)"),
    );
}

/// Returns how Keygate's interpretation or decision differs from nginx's location.
fn compare(policies: &[Policy], target: &[u8], path: &[u8], read: &Read) -> Option<String> {
    if path != read.path {
        return Some(format!("Keygate's path is `{}`", path.escape_ascii()));
    }
    policies.iter().find_map(|policy| {
        let found = rule_of(policy, path);
        if found != read.rule {
            return Some(format!("Keygate finds rule {found:?}"));
        }
        let others = allowed_clients(policy, target);
        let others: Vec<_> = others.filter(|client| Some(*client) != read.rule).collect();
        (!others.is_empty()).then(|| format!("Keygate allows {others:?}"))
    })
}

fn request<'a>(target: &'a [u8], client_type: &'a str) -> Request<'a> {
    Request {
        method: "GET",
        target,
        host: None,
        is_cors_preflight: false,
        facts: Facts {
            client_type: Some(client_type),
            ..Facts::default()
        },
    }
}

/// Returns the rule that Keygate matches, regardless of its decision.
fn rule_of(policy: &Policy, path: &[u8]) -> Option<usize> {
    match policy.find(&request(path, ""), path) {
        Match::Rule(rule) => Some(rule.index()),
        Match::NoEndpoint => None,
        Match::MethodNotAllowed => panic!("no rule here names a method"),
    }
}

/// Returns the rules whose client type is allowed this request.
fn allowed_clients(policy: &Policy, target: &[u8]) -> impl Iterator<Item = usize> {
    (0..LOCATIONS.len()).filter(move |client| {
        policy
            .decide(&request(target, &client.to_string()))
            .is_allowed()
    })
}

/// Returns a policy with a rule for each location; a lenient one allows every ambiguity that it can.
fn policy(lenient: bool) -> Policy {
    let classes: Vec<_> = Ambiguity::ALL
        .into_iter()
        .filter(|class| class.treatment() == Treatment::Refused)
        .map(Ambiguity::as_str)
        .collect();
    let treatment = if lenient {
        format!("allowAmbiguous: [{}]", classes.join(", "))
    } else {
        "description: strict".to_owned()
    };
    let policy = Policy::from_yaml(&POLICY.replace("TREATMENT", &treatment))
        .unwrap()
        .policy;
    assert_eq!(policy.rules().len(), LOCATIONS.len());
    policy
}

/// Returns the known targets, then random ones; the same in every run.
fn targets() -> impl Iterator<Item = Vec<u8>> {
    let random = std::iter::repeat_with({
        let mut state = setting("KEYGATE_PATH_SEED", SEED);
        move || grammar::target(&mut |below| choose(&mut state, below))
    });
    let known = KNOWN.into_iter().map(<[u8]>::to_vec);
    let count = usize::try_from(setting("KEYGATE_PATH_CASES", 2_000)).unwrap();
    known.chain(random).take(count)
}

const SEED: u64 = 20_261_124;

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: `{text}`"))
    })
}

/// `SplitMix64` (Steele, Lea and Flood, 2014).
fn choose(state: &mut u64, below: usize) -> usize {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    usize::try_from(mixed % u64::try_from(below).unwrap()).unwrap()
}

/// The number of targets by result.
#[derive(Default)]
struct Tally {
    equal: usize,
    /// Those among the equal ones that some client type is allowed.
    allowed: usize,
    rejected: usize,
    rejected_by_nginx: usize,
    disagreements: Vec<String>,
    /// The rules whose locations nginx chose.
    rules: BTreeSet<Option<usize>>,
}

impl Tally {
    fn note(&mut self, target: &[u8], read: &Read, clients: usize, wrong: Option<String>) {
        let Some(wrong) = wrong else {
            self.equal += 1;
            self.allowed += clients;
            return;
        };
        self.disagreements.push(format!(
            "`{}`: nginx's path is `{}`, rule {:?}: {wrong}",
            target.escape_ascii(),
            read.path.escape_ascii(),
            read.rule
        ));
    }

    /// Prints the result, although the test harness captures output, and fails on a disagreement.
    fn finish(self, version: Version, how: &str) {
        let Self {
            equal,
            allowed,
            rejected,
            rejected_by_nginx,
            disagreements,
            rules,
        } = self;
        let number = version.number();
        let count = equal + rejected + rejected_by_nginx + disagreements.len();
        let line = format!(
            "nginx {number}{how}: {count} targets, {} disagreements \
             ({equal} equal, {allowed} of them allowed for some client type; {rejected} \
             rejected by Keygate only, {rejected_by_nginx} by nginx; seed {})\n",
            disagreements.len(),
            setting("KEYGATE_PATH_SEED", SEED),
        );
        io::stderr().write_all(line.as_bytes()).unwrap();
        let shown: Vec<_> = disagreements.iter().take(20).map(String::as_str).collect();
        assert!(disagreements.is_empty(), "{line}{}", shown.join("\n"));
        // The targets must cover every location.
        assert_eq!(
            rules.len(),
            1 + LOCATIONS.len(),
            "not every location was chosen"
        );
        report::passed(&number, &format!("path differential{how}"));
    }
}

/// nginx's interpretation of a target.
struct Read {
    /// `$uri`
    path: Vec<u8>,
    /// `$request_uri`: what the includes send to the authorizer.
    request_uri: Vec<u8>,
    /// The rule of the chosen location.
    rule: Option<usize>,
}

/// nginx, and a persistent connection to it.
struct Server {
    _nginx: Nginx,
    _folder: TempDir,
    address: String,
    connection: Option<BufReader<TcpStream>>,
}

impl Server {
    fn start(version: Version, merge_slashes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let config = config(&address, merge_slashes);
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        Self {
            _nginx: Nginx::start(version, folder.path(), &address),
            _folder: folder,
            address,
            connection: None,
        }
    }

    /// Requests a target; `None` if nginx rejects it.
    fn read(&mut self, target: &[u8]) -> Option<Read> {
        let request = [b"GET ", target, b" HTTP/1.1\r\nhost: h\r\n\r\n"].concat();
        let mut connection = self
            .connection
            .take()
            .unwrap_or_else(|| BufReader::new(caller::connect(&self.address)));
        connection.get_mut().write_all(&request).unwrap();
        let mut response = Message::read_head(&mut connection)
            .unwrap()
            .unwrap_or_else(|| panic!("no response to `{}`", target.escape_ascii()));
        response.read_body(&mut connection).unwrap();
        if response.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        match response.status() {
            200 => Some(Read {
                request_uri: request_uri(&response),
                rule: response.header("x-rule").map(|rule| rule.parse().unwrap()),
                path: response.body,
            }),
            400 => None,
            other => panic!(
                "nginx responded with {other} to `{}`",
                target.escape_ascii()
            ),
        }
    }
}

/// Returns `$request_uri` from its header, where marks enclose it, since it may end with white space.
fn request_uri(response: &Message) -> Vec<u8> {
    let marked = response.header("x-request-uri").unwrap();
    let plain = marked.strip_prefix('<').and_then(|it| it.strip_suffix('>'));
    bytes_of(plain.unwrap())
}

/// Returns the configuration of a server that responds with rule, `$request_uri` and `$uri`.
fn config(address: &str, merge_slashes: &str) -> String {
    let response = "add_header x-request-uri \"<$request_uri>\"; return 200 $uri;";
    let locations = LOCATIONS.iter().enumerate().flat_map(|(rule, patterns)| {
        let location =
            move |pattern| format!("location {pattern} {{ add_header x-rule {rule}; {response} }}");
        patterns.iter().map(location)
    });
    let locations = locations.collect::<Vec<_>>().join("\n        ");
    format!(
        "
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    default_type application/octet-stream;
    keepalive_requests 1000000;
    merge_slashes {merge_slashes};
    server {{
        listen {address};
        {locations}
        location / {{ {response} }}
    }}
}}
"
    )
}
