//! The least that a gRPC service does for Envoy: it allows every request, for `make bench`.
//!
//! It repeats the response that Keygate gives to a valid key, and reads no request.
//! Usage: `allow_all HOST:PORT resolver|authorizer|serve`.

use std::{env, error::Error, path::Path, sync::Arc};

use axum::Router;
use envoy_types::pb::envoy::{
    config::core::v3::{HeaderMap as RawHeaders, HeaderValue as RawHeader},
    service::auth::v3::{
        AttributeContext, CheckRequest, CheckResponse,
        attribute_context::{HttpRequest, Request as RequestAttributes},
        authorization_server::{Authorization, AuthorizationServer},
    },
};
use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use keygate_authorizer::{AnswerWith, Authorizer, HeaderNames};
use keygate_envoy::{Checks, Names, Steps};
use keygate_keys::keys_file;
use keygate_policy::Policy;
use keygate_resolver::{CredentialNames, Resolver, service::RejectedKeyStatus};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status, service::Routes};

const KEYS: &str = "version: 1
keys:
  - {id: key-0001, clientType: client-01, key: sample-key-of-client-a}
";
const POLICY: &str = "version: 1
endpoints:
  - path: /service-01
";
/// What the gateway sends; the authorizer gets the client type of the resolver.
const REQUEST: [(&str, &str); 8] = [
    (":method", "GET"),
    (":path", "/service-01/items/37?page=2"),
    (":authority", "api.example.com"),
    ("client-key", "sample-key-of-client-a"),
    ("client-type", "client-01"),
    ("x-keygate-key-id", "key-0001"),
    ("user-agent", "bench/1"),
    ("accept", "application/json"),
];

struct AllowAll(CheckResponse);

#[tonic::async_trait]
impl Authorization for AllowAll {
    async fn check(&self, _: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        Ok(Response::new(self.0.clone()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(address), Some(role)) = (arguments.next(), arguments.next()) else {
        return Err("usage: allow_all HOST:PORT resolver|authorizer|serve".into());
    };
    let checks = Checks::new(
        steps(&role)?,
        Names::from(&keygate_gateways::Names::default()),
    );
    let response = checks.respond(request(), None).await;
    if response
        .status
        .as_ref()
        .is_none_or(|status| status.code != 0)
    {
        return Err(format!("Keygate denies the sample request: {response:?}").into());
    }
    let routes = Routes::new(AuthorizationServer::new(AllowAll(response)));
    serve(&address, routes.prepare().into_axum_router()).await
}

fn steps(role: &str) -> Result<Steps, Box<dyn Error>> {
    let keys = keys_file::parse(Path::new("keys.yaml"), KEYS, None)?;
    let status = RejectedKeyStatus::default();
    let resolver = Resolver::new(keys.table, CredentialNames::default(), status);
    let policy = Policy::from_yaml(POLICY).map_err(|errors| format!("{errors:?}"))?;
    let names = HeaderNames::default();
    let authorizer = Authorizer::new(policy.policy, names, AnswerWith::default());
    let (resolver, authorizer) = (Arc::new(resolver), Arc::new(authorizer));
    match role {
        "resolver" => Ok(Steps::Resolve(resolver)),
        "authorizer" => Ok(Steps::Authorize(authorizer)),
        "serve" => Ok(Steps::Both(resolver, authorizer)),
        other => Err(format!("`{other}` is not one of resolver, authorizer, serve").into()),
    }
}

fn request() -> CheckRequest {
    let [(_, method), (_, path), (_, host), ..] = REQUEST;
    let line = |(key, value): (&str, &str)| RawHeader {
        key: key.to_owned(),
        raw_value: value.as_bytes().to_vec(),
        ..RawHeader::default()
    };
    let headers = REQUEST.into_iter().map(line).collect();
    let http = HttpRequest {
        method: method.to_owned(),
        path: path.to_owned(),
        host: host.to_owned(),
        header_map: Some(RawHeaders { headers }),
        ..HttpRequest::default()
    };
    let request = RequestAttributes {
        http: Some(http),
        ..RequestAttributes::default()
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            request: Some(request),
            ..AttributeContext::default()
        }),
    }
}

async fn serve(address: &str, router: Router) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        let connection = http2::Builder::new(TokioExecutor::new());
        tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}
