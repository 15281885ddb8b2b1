//! Answers questions as the data listener does, with everything on that is on by default, and without
//! sockets: what `make instructions` counts.
//!
//! `hot_path QUESTION COUNT`, where `QUESTION` is `resolve`, `auth` or `check`.

#![expect(clippy::print_stderr, reason = "a program tells why it stops")]

use std::{error::Error, hint::black_box, path::Path, process::ExitCode, sync::Arc};

use keygate::{data::Data, policy_file, settings::Settings};
use keygate_authorizer::Authorizer;
use keygate_http1::Head;
use keygate_keys::Digest;
use keygate_keys::keys_file;
use keygate_resolver::Resolver;
use keygate_telemetry::decisions::Decisions;

const KEYS: usize = 1_000;
const ENDPOINTS: usize = 100;
const CLIENT_TYPES: usize = 20;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(asked), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("name a question and how often it is asked".into());
    };
    let count: usize = count.parse()?;
    let data = data()?;
    let questions: Vec<_> = (0..KEYS).map(|number| question(&asked, number)).collect();
    let mut out = Vec::with_capacity(512);
    for text in questions.iter().cycle().take(count) {
        let mut slots = Head::slots();
        let head = Head::parse(text.as_bytes(), &mut slots)?.ok_or("half a question")?;
        data.respond(&head, &mut out).end();
        if !black_box(&out).starts_with(b"HTTP/1.1 200 OK\r\n") {
            return Err(String::from_utf8_lossy(&out).into());
        }
        out.clear();
    }
    Ok(())
}

/// Both services with their files loaded, and every decision counted.
fn data() -> Result<Data, Box<dyn Error>> {
    let settings = Settings::default();
    let decisions = Arc::new(Decisions::new(settings.retention(), None));
    let keys = keys_file::parse(Path::new("keys.yaml"), &keys(), None)?.table;
    let status = settings.rejected_key_status;
    let resolver = Resolver::new(keys, settings.credential_names(), status);
    let policy = policy_file::parse(Path::new("policy.yaml"), &policy())?.policy;
    let authorizer = Authorizer::new(policy, settings.header_names(), settings.answer_with);
    let (observer, other): (Arc<Decisions>, _) = (Arc::clone(&decisions), decisions);
    let resolver = resolver.guarded_by(settings.guessing());
    Ok(Data {
        resolver: Some(Arc::new(resolver.observed_by(observer))),
        authorizer: Some(Arc::new(authorizer.observed_by(other))),
    })
}

fn key(number: usize) -> String {
    format!("kg_{number:043}")
}

fn client_type(number: usize) -> String {
    format!("client-{:02}", number % CLIENT_TYPES)
}

fn keys() -> String {
    let keys = (0..KEYS).map(|number| {
        let digest = Digest::sha256(key(number).as_bytes());
        let client_type = client_type(number);
        format!("- {{id: key-{number:04}, clientType: {client_type}, digest: '{digest}'}}")
    });
    format!("version: 1\nkeys:\n{}", keys.collect::<Vec<_>>().join("\n"))
}

fn policy() -> String {
    let endpoints = (0..ENDPOINTS).map(|number| {
        let (one, other) = (client_type(number), client_type(number + 1));
        let expression = format!("clientType === '{one}' || clientType === '{other}'");
        format!("- {{path: /endpoint-{number:03}, groupExpression: \"{expression}\"}}")
    });
    let endpoints: Vec<_> = endpoints.collect();
    format!("version: 1\nendpoints:\n{}", endpoints.join("\n"))
}

/// What nginx asks with `nginx/keygate-server.conf` for a small request.
fn question(asked: &str, number: usize) -> String {
    let own = match asked {
        "resolve" => "x-keygate-next: /_keygate/authorizer\r\n".to_owned(),
        "auth" => format!("client-type: {}\r\n", client_type(number)),
        _ => String::new(),
    };
    format!(
        "GET /{asked} HTTP/1.1\r\n\
         original-request-uri: /endpoint-{:03}/items/{number}?page=2\r\n\
         original-request-method: GET\r\n\
         original-request-host: api.example.com\r\n\
         x-keygate-client-address: 192.0.2.1\r\n\
         x-request-id: 0123456789abcdef0123456789abcdef\r\n\
         host: keygate\r\n\
         client-key: {}\r\n\
         user-agent: bench/1\r\n\
         accept: application/json\r\n{own}\r\n",
        number % ENDPOINTS,
        key(number)
    )
}
