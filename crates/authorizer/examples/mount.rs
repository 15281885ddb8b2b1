//! The authorizer in an axum program of its own, beside another route:
//!
//! ```text
//! cargo run -p keygate-authorizer --example mount &
//! curl -i localhost:7082/auth -H 'original-request-uri: /public/page'     # 200, allowed
//! curl -i localhost:7082/auth -H 'original-request-uri: /orders'          # 401, missing-key
//! ```

use std::{error::Error, sync::Arc};

use axum::{Router, routing::get};
use keygate_authorizer::{AnswerWith, Authorizer, HeaderNames};
use keygate_policy::Policy;
use tokio::net::TcpListener;

const POLICY: &str = "
version: 1
endpoints:
  - path: /orders
    groupExpression: clientType === 'erp'
  - path: /public
    apiKeyRequired: false
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:7082").await?;
    axum::serve(listener, app()?).await?;
    Ok(())
}

fn app() -> Result<Router, Box<dyn Error>> {
    let policy = Policy::from_yaml(POLICY)
        .map_err(|errors| format!("{errors:?}"))?
        .policy;
    let authorizer = Authorizer::new(policy, HeaderNames::default(), AnswerWith::default());
    Ok(Router::new()
        .route("/", get(|| async { "a program of your own\n" }))
        .merge(keygate_authorizer::router(Arc::new(authorizer))))
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn a_program_of_its_own_serves_the_authorizer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app().unwrap()).await });
        for (target, header, status, reason) in [
            ("/", "a: b", "200", None),
            (
                "/auth",
                "original-request-uri: /public/page",
                "200",
                Some("ok"),
            ),
            (
                "/auth",
                "original-request-uri: /orders",
                "401",
                Some("missing-key"),
            ),
            ("/auth/orders", "client-type: erp", "200", Some("ok")),
            (
                "/auth/orders",
                "client-type: crm",
                "403",
                Some("expression-false"),
            ),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!(
                "GET {target} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n{header}\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            assert_eq!(response.get(9..12), Some(status), "{response}");
            let found = response
                .lines()
                .find_map(|line| line.strip_prefix("x-keygate-reason: "));
            assert_eq!(found, reason, "{response}");
        }
    }
}
