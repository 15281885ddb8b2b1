//! Traces: each decision is a span of the gateway's trace, and reaches a collector as OTLP.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
};
use prost::Message as _;
use rstest::rstest;
use rstest_reuse::apply;

use crate::support::gateway::{Gateway, Setup, corpus_file};
use crate::support::http_message::Message;
use crate::support::nginx::{Version, each_nginx};
use crate::support::operations::{Watched, until};
use crate::support::program::{keygate, run_to_end};
use crate::support::{caller, report, secrets};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

type Received = Mutex<Vec<(Message, ExportTraceServiceRequest)>>;

/// A collector for OTLP over HTTP.
struct Collector {
    endpoint: String,
    received: Arc<Received>,
}

/// Receives the spans of one connection.
fn take(mut stream: TcpStream, sink: &Received, status: &str) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Ok(Some(mut request)) = Message::read_head(&mut reader) {
        request.read_body(&mut reader).unwrap();
        let batch = ExportTraceServiceRequest::decode(&*request.body).unwrap();
        sink.lock().unwrap().push((request, batch));
        let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(response.as_bytes()).unwrap();
    }
}

impl Collector {
    /// Starts a collector that responds with this status.
    fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, sink) = (stream.unwrap(), Arc::clone(&sink));
                thread::spawn(move || take(stream, &sink, status));
            }
        });
        Self { endpoint, received }
    }

    fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        for (request, _) in received.iter() {
            secrets::assert_none_in(&request.body, "a trace");
        }
        let batches = received.iter().flat_map(|(_, batch)| &batch.resource_spans);
        let scopes = batches.flat_map(|batch| &batch.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| format!("{byte:02x}");
    bytes.iter().map(digits).collect()
}

fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|it| it.key == name)?;
    match found.value.clone()?.value? {
        Value::StringValue(text) => Some(text),
        Value::BoolValue(bool) => Some(bool.to_string()),
        other => panic!("{name}: {other:?}"),
    }
}

fn traced(collector: &Collector, more: &[(&str, &str)]) -> Watched {
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    Watched::start(&[&settings, more].concat())
}

fn parent(flags: &str) -> String {
    format!("traceparent: 00-{TRACE}-{PARENT}-{flags}")
}

#[test]
fn each_step_adds_a_span_to_the_gateways_trace() {
    let collector = Collector::start("200 OK");
    let watched = traced(
        &collector,
        &[("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=blue")],
    );
    watched.check(&[
        "original-request-uri: /orders/7?token=hidden",
        "client-key: sample-key-of-client-c",
        "x-request-id: 7f3a",
        &parent("01"),
    ]);
    until("both spans are there", || collector.spans().len() == 2);
    let spans = collector.spans();
    for span in &spans {
        assert_eq!(hex(&span.trace_id), TRACE);
        assert_eq!(hex(&span.parent_span_id), PARENT);
        assert_eq!(span.kind(), SpanKind::Server);
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        assert_eq!(
            attribute(&span.attributes, "keygate.key_id").unwrap(),
            "client-c"
        );
        assert_eq!(
            attribute(&span.attributes, "keygate.request_id").unwrap(),
            "7f3a"
        );
    }
    assert_eq!([&spans[0].name, &spans[1].name], ["resolve", "authorize"]);
    for (name, value) in [
        ("http.request.method", "GET"),
        ("url.path", "/orders/7"),
        ("http.route", "/orders"),
        ("keygate.allowed", "false"),
        ("keygate.reason", "expression-false"),
        ("keygate.client_type", "C"),
    ] {
        let found = attribute(&spans[1].attributes, name);
        assert_eq!(found.as_deref(), Some(value), "{name}");
    }
    let received = collector.received.lock().unwrap();
    let (request, batch) = &received[0];
    assert_eq!(request.target(), "/v1/traces");
    assert_eq!(
        request.header("content-type"),
        Some("application/x-protobuf")
    );
    assert_eq!(request.header("x-tenant"), Some("blue"));
    let resource = batch.resource_spans[0].resource.clone().unwrap().attributes;
    assert_eq!(
        attribute(&resource, "service.name").unwrap(),
        "keygate-serve"
    );
    let version = attribute(&resource, "service.version").unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}

#[test]
fn sampling_follows_the_gateway_or_else_starts_a_trace() {
    let collector = Collector::start("200 OK");
    let watched = traced(&collector, &[("OTEL_SERVICE_NAME", "edge")]);
    watched.check(&["original-request-uri: /public", &parent("00")]);
    watched.check(&["original-request-uri: /public"]);
    watched.check(&["original-request-uri: /public", "traceparent: 00-nonsense"]);
    until("four spans are there", || collector.spans().len() >= 4);
    let traces = collector
        .spans()
        .into_iter()
        .map(|span| hex(&span.trace_id));
    let traces: std::collections::BTreeSet<_> = traces.collect();
    assert!(!traces.contains(TRACE), "{traces:?}");
    let received = collector.received.lock().unwrap();
    let resource = received[0].1.resource_spans[0].resource.clone().unwrap();
    assert_eq!(
        attribute(&resource.attributes, "service.name").unwrap(),
        "edge"
    );
}

#[test]
fn remaining_spans_are_sent_at_shutdown() {
    let collector = Collector::start("200 OK");
    let mut watched = traced(&collector, &[("OTEL_BSP_SCHEDULE_DELAY", "60000")]);
    watched.decide("/public", None);
    end(&mut watched);
    assert_eq!(collector.spans().len(), 2);
}

/// Stops the service, which then sends the remaining spans.
fn end(watched: &mut Watched) {
    watched.service.signal("TERM");
    let patience = std::time::Duration::from_secs(8);
    assert!(watched.service.wait(patience).success());
}

#[test]
fn a_failing_collector_is_logged_once_and_changes_no_decision() {
    let collector = Collector::start("500 Oops");
    let watched = traced(&collector, &[]);
    for _ in 0..3 {
        assert_eq!(watched.decide("/public", None), "ok");
        let before = collector.received.lock().unwrap().len();
        until("it was tried", || {
            collector.received.lock().unwrap().len() > before
        });
    }
    let mut lines = watched.log();
    lines.retain(|line| line["message"] == "traces cannot be sent");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["error"], "500 Internal Server Error");
}

#[rstest]
#[case(&[])]
#[case(&[("OTEL_SDK_DISABLED", "true")])]
#[case(&[("OTEL_TRACES_EXPORTER", "none")])]
fn no_span_is_sent_unless_configured(#[case] settings: &[(&str, &str)]) {
    let collector = Collector::start("200 OK");
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str());
    let endpoint = (!settings.is_empty()).then_some(endpoint);
    let settings: Vec<_> = settings.iter().copied().chain(endpoint).collect();
    let mut watched = Watched::start(&settings);
    watched.decide("/public", None);
    end(&mut watched);
    assert!(collector.received.lock().unwrap().is_empty());
}

fn start_with(settings: &[(&str, &str)]) -> Output {
    let mut command = keygate();
    command
        .args(["authorizer", "--policy"])
        .arg(corpus_file("policy.yaml"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        .envs(settings.iter().copied());
    run_to_end(&mut command)
}

#[rstest]
#[case("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]
#[case("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector.example")]
#[case("OTEL_TRACES_EXPORTER", "zipkin")]
fn unsupported_telemetry_settings_stop_the_start(#[case] name: &str, #[case] value: &str) {
    let output = start_with(&[(name, value)]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(&format!("error: `{name}` is `{value}`: ")),
        "{said}"
    );
}

#[apply(each_nginx)]
fn nginx_passes_the_trace_on_to_both_services(version: Version) {
    let collector = Collector::start("200 OK");
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
    ];
    let gateway = Gateway::start_with(version, &Setup::PLAIN, &settings);
    let key = "client-key: sample-key-of-client-a";
    let response = caller::get(&gateway.address, "/orders", &[key, &parent("01")]);
    assert_eq!(response.status(), 200);
    until("both spans are there", || collector.spans().len() == 2);
    for span in collector.spans() {
        assert_eq!(hex(&span.trace_id), TRACE);
    }
    report::passed(&version.number(), "the trace is propagated");
}
