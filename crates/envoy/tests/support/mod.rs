//! Check requests, and services that respond to them.

use std::{path::Path, sync::Arc};

use envoy_types::pb::{
    envoy::{
        config::core::v3::{HeaderMap as RawHeaders, HeaderValue as RawHeader},
        service::auth::v3::{
            AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
            attribute_context::{HttpRequest, Request},
            check_response::HttpResponse,
        },
    },
    google::protobuf::value::Kind,
};
use keygate_authorizer::{AnswerWith, Authorizer, HeaderNames};
use keygate_envoy::{Checks, Names, Steps};
use keygate_keys::keys_file;
use keygate_policy::Policy;
use keygate_resolver::{CredentialNames, Resolver, service::RejectedKeyStatus};

pub(crate) const POLICY: &str = "
version: 1
endpoints:
  - {path: /orders, groupExpression: clientType === 'A'}
  - {path: /public, apiKeyRequired: false}
  - {path: /backoffice, apiKeyRequired: false, groupExpression: isBackoffice}
  - {path: /login, apiKeyRequired: false, authenticationRequired: true}
  - path: /host
    hosts: [open.example.com]
    apiKeyRequired: false
";

const KEYS: &str = "
version: 1
keys:
  - {id: a-1, clientType: A, key: sample-key-of-client-a}
  - {id: b-1, clientType: B, key: sample-key-of-client-b}
";

pub(crate) const KEY_OF_A: (&str, &str) = ("client-key", "sample-key-of-client-a");
pub(crate) const KEY_OF_B: (&str, &str) = ("client-key", "sample-key-of-client-b");

pub(crate) fn resolver(names: CredentialNames) -> Resolver {
    let keys = keys_file::parse(Path::new("keys.yaml"), KEYS, None).unwrap();
    Resolver::new(keys.table, names, RejectedKeyStatus::Unauthorized)
}

pub(crate) fn authorizer(answer_with: AnswerWith) -> Authorizer {
    let policy = Policy::from_yaml(POLICY).unwrap().policy;
    Authorizer::new(policy, HeaderNames::default(), answer_with)
}

/// The three roles, with the default names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Resolver,
    Authorizer,
    Serve,
}

impl Role {
    pub(crate) fn checks(self) -> Checks {
        let resolver = Arc::new(resolver(CredentialNames::default()));
        let authorizer = Arc::new(authorizer(AnswerWith::Status));
        let steps = match self {
            Self::Resolver => Steps::Resolve(resolver),
            Self::Authorizer => Steps::Authorize(authorizer),
            Self::Serve => Steps::Both(resolver, authorizer),
        };
        Checks::new(steps, Names::from(&keygate_gateways::Names::default()))
    }
}

pub(crate) fn http(method: &str, path: &str, lines: &[(&str, &[u8])]) -> HttpRequest {
    let host = "api.example.com";
    let pseudo = [(":method", method), (":path", path), (":authority", host)];
    let pseudo = pseudo.map(|(key, value)| (key, value.as_bytes()));
    let line = |(key, value): &(&str, &[u8])| RawHeader {
        key: (*key).to_owned(),
        raw_value: value.to_vec(),
        ..RawHeader::default()
    };
    HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        host: host.to_owned(),
        header_map: Some(RawHeaders {
            headers: pseudo.iter().chain(lines).map(line).collect(),
        }),
        ..HttpRequest::default()
    }
}

pub(crate) fn check_request(http: HttpRequest) -> CheckRequest {
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(Request {
                http: Some(http),
                ..Request::default()
            }),
            ..AttributeContext::default()
        }),
    }
}

/// The response to a `GET` with these headers.
pub(crate) async fn get(checks: &Checks, path: &str, lines: &[(&str, &str)]) -> Answer {
    let lines: Vec<_> = lines
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    let request = check_request(http("GET", path, &lines));
    Answer(checks.respond(request, None).await)
}

/// A check response, to be looked at.
pub(crate) struct Answer(pub(crate) CheckResponse);

impl Answer {
    pub(crate) fn code(&self) -> i32 {
        self.0.status.as_ref().unwrap().code
    }

    pub(crate) fn allowed(&self) -> &OkHttpResponse {
        assert_eq!(self.code(), 0, "{:?}", self.0);
        match self.0.http_response.as_ref() {
            Some(HttpResponse::OkResponse(ok)) => ok,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn denied(&self) -> &DeniedHttpResponse {
        assert_ne!(self.code(), 0, "{:?}", self.0);
        match self.0.http_response.as_ref() {
            Some(HttpResponse::DeniedResponse(denied)) => denied,
            other => panic!("{other:?}"),
        }
    }

    /// The headers that are set, each of them overwritten, as `name: value`.
    pub(crate) fn set(&self) -> Vec<String> {
        let headers = match self.0.http_response.as_ref().unwrap() {
            HttpResponse::OkResponse(ok) => &ok.headers,
            HttpResponse::DeniedResponse(denied) => &denied.headers,
            other @ HttpResponse::ErrorResponse(_) => panic!("{other:?}"),
        };
        let lines = headers.iter().map(|option| {
            // `OVERWRITE_IF_EXISTS_OR_ADD`
            assert_eq!(option.append_action, 2, "{option:?}");
            let header = option.header.as_ref().unwrap();
            assert!(header.raw_value.is_empty(), "Envoy ignores it: {header:?}");
            format!("{}: {}", header.key, header.value)
        });
        lines.collect()
    }

    pub(crate) fn metadata(&self) -> Vec<String> {
        let metadata = self.0.dynamic_metadata.as_ref().unwrap();
        let mut fields: Vec<_> = metadata.fields.iter().collect();
        fields.sort_by_key(|(name, _)| *name);
        let text =
            |(name, value): (&String, &envoy_types::pb::google::protobuf::Value)| match &value.kind
            {
                Some(Kind::StringValue(text)) => format!("{name}={text}"),
                other => panic!("{other:?}"),
            };
        fields.into_iter().map(text).collect()
    }
}
