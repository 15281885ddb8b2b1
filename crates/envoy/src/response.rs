//! Envoy's check response.

use std::collections::BTreeMap;

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
#[derive(Debug, Default)]
pub(crate) struct Metadata(BTreeMap<&'static str, String>);

impl Metadata {
    /// Adds a value, if there is one and it is text.
    pub(crate) fn with<'v>(
        mut self,
        name: &'static str,
        value: impl Into<Option<&'v [u8]>>,
    ) -> Self {
        let text = value.into().map(<[u8]>::to_vec).map(String::from_utf8);
        if let Some(Ok(text)) = text {
            self.0.insert(name, text);
        }
        self
    }

    fn into_struct(self) -> Struct {
        let value = |text| Value {
            kind: Some(Kind::StringValue(text)),
        };
        let fields = self.0.into_iter();
        Struct {
            fields: fields
                .map(|(name, text)| (name.to_owned(), value(text)))
                .collect(),
        }
    }
}

/// Returns the response that allows a request.
pub(crate) fn allowed(forwarded: Forwarded, metadata: Metadata) -> CheckResponse {
    let (set, headers_to_remove) = forwarded.parts();
    let ok = OkHttpResponse {
        headers: set
            .into_iter()
            .map(|(name, value)| overwrite(name, value))
            .collect(),
        headers_to_remove,
        ..OkHttpResponse::default()
    };
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
        Some(overwrite(name.to_string(), value.to_owned()))
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
        dynamic_metadata: Some(metadata.into_struct()),
        http_response: Some(http),
    }
}

/// Every value of the header is replaced: none may stay beside ours.
fn overwrite(key: String, value: String) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(Header {
            key,
            value,
            raw_value: Vec::new(),
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}
