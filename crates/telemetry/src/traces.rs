//! Traces: each decision is a span with the gateway's `traceparent` (W3C Trace Context) as its parent,
//! sent as OTLP over HTTP.
//!
//! They are off unless an endpoint is set. The settings are the environment variables of
//! OpenTelemetry's "SDK configuration" and "OTLP exporter configuration", which its library reads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use http::{HeaderMap, HeaderName};
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator},
    trace::{Span as _, SpanKind, Tracer as _, TracerProvider as _},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response, hyper::HyperClient};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider, Span},
};
use tokio::runtime::Handle;

use crate::{
    entry::{Entry, Step},
    role::Role,
};

/// The timeout of an export, if the environment sets none.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The exporter of spans.
#[derive(Debug, Clone)]
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    propagator: Arc<TraceContextPropagator>,
}

/// The error for environment variables that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    /// A variable has an unsupported value.
    #[error("`{name}` is `{value}`: {instead}")]
    Variable {
        /// The name of the variable.
        name: &'static str,
        /// The value of the variable.
        value: String,
        /// The hint.
        instead: &'static str,
    },
    /// The library rejects the settings.
    #[error("traces cannot be sent, because the `OTEL_…` variables are invalid: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

/// The environment variables of OpenTelemetry.
struct Environment<'e>(&'e [(String, String)]);

impl Environment<'_> {
    /// Returns the first of these variables that is set; an empty one counts as not set.
    fn get(&self, names: &[&'static str]) -> Option<(&'static str, &str)> {
        names.iter().find_map(|wanted| {
            let mut variables = self.0.iter();
            let (_, value) = variables.find(|(name, value)| name == wanted && !value.is_empty())?;
            Some((*wanted, value.as_str()))
        })
    }

    fn is(&self, name: &'static str, wanted: &str) -> bool {
        self.get(&[name])
            .is_some_and(|(_, value)| value.eq_ignore_ascii_case(wanted))
    }

    /// Whether traces are enabled: an endpoint is set, and no variable disables them.
    fn enables_traces(&self) -> bool {
        self.endpoint().is_some()
            && !self.is("OTEL_SDK_DISABLED", "true")
            && !self.is("OTEL_TRACES_EXPORTER", "none")
    }

    fn endpoint(&self) -> Option<(&'static str, &str)> {
        self.get(&[
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ])
    }

    /// Rejects unsupported settings, because lost traces would be noticed too late.
    fn check(&self) -> Result<(), TracesError> {
        let wrong = |(name, value): (_, &str), instead| {
            let value = value.to_owned();
            Err(TracesError::Variable {
                name,
                value,
                instead,
            })
        };
        let protocol = self.get(&[
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ]);
        if let Some(protocol) = protocol.filter(|(_, value)| *value != "http/protobuf") {
            return wrong(protocol, "only `http/protobuf` is supported");
        }
        if let Some(endpoint) = self.endpoint()
            && !endpoint.1.starts_with("http://")
        {
            return wrong(
                endpoint,
                "traces are sent only to `http://` addresses: run a collector beside Keygate that \
                forwards them over TLS",
            );
        }
        if let Some(exporter) = self.get(&["OTEL_TRACES_EXPORTER"])
            && exporter.1 != "otlp"
        {
            return wrong(exporter, "set it to `otlp` or `none`");
        }
        Ok(())
    }

    fn timeout(&self) -> Duration {
        let set = self.get(&[
            "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
            "OTEL_EXPORTER_OTLP_TIMEOUT",
        ]);
        let milliseconds = set.and_then(|(_, value)| value.parse().ok());
        milliseconds.map_or(TIMEOUT, Duration::from_millis)
    }
}

impl Traces {
    /// Starts sending traces, if the environment enables them.
    ///
    /// # Errors
    /// The environment has unsupported settings.
    pub fn start(
        role: Role,
        environment: &[(String, String)],
        runtime: &Handle,
    ) -> Result<Option<Self>, TracesError> {
        let environment = Environment(environment);
        if !environment.enables_traces() {
            return Ok(None);
        }
        environment.check()?;
        let client = Client {
            http: HyperClient::with_default_connector(environment.timeout(), None),
            runtime: runtime.clone(),
            is_failing: Arc::default(),
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(client)
            .build()?;
        let mut resource = Resource::builder();
        let named = environment.get(&["OTEL_SERVICE_NAME"]).is_some()
            || environment
                .get(&["OTEL_RESOURCE_ATTRIBUTES"])
                .is_some_and(|(_, value)| value.contains("service.name="));
        if !named {
            resource = resource.with_service_name(format!("keygate-{}", role.name()));
        }
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.with_attribute(version).build())
            .build();
        Ok(Some(Self {
            tracer: provider.tracer("keygate"),
            provider,
            propagator: Arc::default(),
        }))
    }

    /// Returns the span of a decision that took this long until now; `None` if it is not sampled.
    #[must_use]
    pub fn span(&self, step: Step, headers: &HeaderMap, took: Duration) -> Option<Span> {
        let parent = self
            .propagator
            .extract_with_context(&Context::new(), &Carrier(headers));
        let span = self
            .tracer
            .span_builder(step.as_str())
            .with_kind(SpanKind::Server)
            .with_start_time(SystemTime::now() - took)
            .start_with_context(&self.tracer, &parent);
        span.is_recording().then_some(span)
    }

    /// Sends the remaining spans.
    pub async fn shutdown(self) {
        // It blocks on an export, which needs this thread's runtime.
        let last = tokio::task::spawn_blocking(move || self.provider.shutdown());
        if let Ok(Err(error)) = last.await {
            tracing::warn!(%error, "some traces were not sent");
        }
    }
}

/// The headers of an authorization request, for the propagator.
struct Carrier<'h>(&'h HeaderMap);

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Ends the span of a decision with the attributes of its log line.
pub fn end(mut span: Span, entry: &Entry) {
    let shadow = entry.shadow.as_ref().map(|shadow| shadow.verdict);
    // OpenTelemetry's semantic conventions, where they exist.
    let texts = [
        ("http.request.method", entry.method.as_deref()),
        ("url.path", entry.path.as_deref()),
        ("server.address", entry.host.as_deref()),
        ("http.route", entry.endpoint.as_deref()),
        ("user.id", entry.user_id.as_deref()),
        ("keygate.reason", Some(entry.reason)),
        ("keygate.cause", entry.cause.as_deref()),
        ("keygate.client_type", entry.client_type.as_deref()),
        ("keygate.key_id", entry.key_id.as_deref()),
        ("keygate.request_id", entry.request_id.as_deref()),
        ("keygate.shadow_verdict", shadow),
    ];
    let set = texts
        .into_iter()
        .filter_map(|(name, value)| Some(KeyValue::new(name, value?.to_owned())));
    span.set_attributes(set);
    span.set_attribute(KeyValue::new("keygate.allowed", entry.allowed));
    span.end();
}

/// The exporter has a separate thread, and the client needs a runtime: it uses ours. Failures are
/// logged when they begin and when they end, not for every batch.
#[derive(Debug)]
struct Client {
    http: HyperClient,
    runtime: Handle,
    is_failing: Arc<AtomicBool>,
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sending = self
            .runtime
            .spawn(async move { http.send_bytes(request).await });
        let response = sending.await?;
        let failure = match &response {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(response.status().to_string()),
            Err(error) => Some(error.to_string()),
        };
        let was_failing = self.is_failing.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(error) if !was_failing => tracing::warn!(error, "traces cannot be sent"),
            None if was_failing => tracing::info!("traces can be sent again"),
            _ => {}
        }
        response
    }
}
