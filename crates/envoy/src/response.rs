//! Envoy's check response.

use std::collections::HashMap;

use envoy_types::pb::{
    envoy::{
        config::core::v3::{
            HeaderValue as Header, HeaderValueOption, header_value_option::HeaderAppendAction,
        },
        service::auth::v3::{
            CheckResponse, DeniedHttpResponse, OkHttpResponse, check_response::HttpResponse,
        },
        r#type::v3::HttpStatus,
    },
    google::{
        protobuf::{Struct, Value, value::Kind},
        rpc,
    },
};
use http::{HeaderMap, HeaderName, StatusCode};
use keygate_headers::Gateway;
use tonic::Code;

use crate::Forwarded;

/// What a decision adds to the dynamic metadata of Envoy's filter.
#[derive(Debug)]
pub(crate) struct Metadata(HashMap<String, Value>);

/// The fields that a decision has at most.
const MOST_FIELDS: usize = 4;

impl Default for Metadata {
    fn default() -> Self {
        Self(HashMap::with_capacity(MOST_FIELDS))
    }
}

impl Metadata {
    /// Adds a value, if there is one and it is text.
    pub(crate) fn with<'v>(
        mut self,
        name: &'static str,
        value: impl Into<Option<&'v [u8]>>,
    ) -> Self {
        let text = value.into().map(<[u8]>::to_vec).map(String::from_utf8);
        if let Some(Ok(text)) = text {
            let kind = Some(Kind::StringValue(text));
            self.0.insert(name.to_owned(), Value { kind });
        }
        self
    }
}

/// Returns the response that allows a request.
pub(crate) fn allowed(forwarded: &Forwarded, metadata: Metadata) -> CheckResponse {
    let mut ok = OkHttpResponse::default();
    for (name, value) in forwarded.iter() {
        match value {
            Some(value) => ok.headers.push(overwrite(name, value)),
            None => ok.headers_to_remove.push(name.as_str().to_owned()),
        }
    }
    response(Code::Ok, HttpResponse::OkResponse(ok), metadata)
}

/// Returns the response that denies a request; the caller gets it as over HTTP.
///
/// It is a denial also where a service is unavailable: what Envoy takes for an error, `failure_mode_allow` would
/// allow.
pub(crate) fn denied(
    status: StatusCode,
    reason: &str,
    headers: HeaderMap,
    metadata: Metadata,
) -> CheckResponse {
    let (head, body) = Gateway::Envoy
        .response::<String>(status, reason, headers)
        .into_parts();
    let line = |(name, value): (&HeaderName, &http::HeaderValue)| {
        let value = value.to_str().ok()?;
        Some(overwrite(name, value))
    };
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus {
            code: i32::from(status.as_u16()),
        }),
        headers: head.headers.iter().filter_map(line).collect(),
        body,
    };
    let code = match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        StatusCode::INTERNAL_SERVER_ERROR => Code::Internal,
        _ => Code::PermissionDenied,
    };
    response(code, HttpResponse::DeniedResponse(denied), metadata)
}

fn response(code: Code, http: HttpResponse, metadata: Metadata) -> CheckResponse {
    CheckResponse {
        status: Some(rpc::Status {
            code: code.into(),
            ..rpc::Status::default()
        }),
        dynamic_metadata: Some(Struct { fields: metadata.0 }),
        http_response: Some(http),
    }
}

/// Every value of the header is replaced: none may stay beside ours.
fn overwrite(name: &HeaderName, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(Header {
            key: name.as_str().to_owned(),
            value: value.to_owned(),
            raw_value: Vec::new(),
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}
