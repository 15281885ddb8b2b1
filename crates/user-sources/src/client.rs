//! An HTTP client with limits: on time, on the length of a body, on where it goes.
//!
//! It follows no redirects, which could lead anywhere and end at a login page with 200; it takes no
//! proxy from the environment; it trusts one CA file, or the system's.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use keygate_users::settings::Url;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection is kept without a request: less than common servers do.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// A client for one server.
#[derive(Clone)]
pub struct Client {
    client: legacy::Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// A response, read whole.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Why a client cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum InvalidClient {
    /// The CA file has no certificate.
    #[error("the CA file contains no valid PEM certificate")]
    NoCertificate,
    /// The system has no certificates.
    #[error(
        "the system has no CA certificates: install the package `ca-certificates`, or set \
         `ca-file` ({0})"
    )]
    System(io::Error),
    /// The TLS library does not work.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// It took too long.
    #[error("no response within {0:?}")]
    TimedOut(Duration),
    /// The connection failed, or broke.
    #[error("the request failed: {0}")]
    Failed(String),
    /// The body is too long.
    #[error("the body of the response is longer than {0} bytes")]
    TooLong(usize),
}

/// What a response may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The time until the whole response is there.
    pub time: Duration,
    /// The length of the body, in bytes.
    pub body: usize,
}

impl Client {
    /// A client for the server of this URL, whose certificate is verified by a CA file in PEM where one
    /// is given, and else by the system's.
    ///
    /// # Errors
    /// There is no CA to verify a server by.
    pub fn new(url: &Url, ca: Option<&[u8]>) -> Result<Self, InvalidClient> {
        let mut http = HttpConnector::new();
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        http.set_nodelay(true);
        http.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(url, ca)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(connector);
        Ok(Self { client })
    }

    /// Gets a URL, with these headers and no others.
    ///
    /// # Errors
    /// There is no whole response within the limits. A response with any status is one.
    pub async fn get(
        &self,
        url: &Url,
        headers: HeaderMap,
        limits: Limits,
    ) -> Result<Response, FetchError> {
        tokio::time::timeout(limits.time, self.exchange(url, headers, limits.body))
            .await
            .unwrap_or(Err(FetchError::TimedOut(limits.time)))
    }

    async fn exchange(
        &self,
        url: &Url,
        headers: HeaderMap,
        most: usize,
    ) -> Result<Response, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = url.uri().clone();
        *request.headers_mut() = headers;
        let response = self.client.request(request).await;
        let (head, body) = response.map_err(|error| failed(&error))?.into_parts();
        let body = Limited::new(body, most).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                FetchError::TooLong(most)
            } else {
                failed(error.as_ref())
            }
        })?;
        Ok(Response {
            status: head.status,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }
}

fn tls(url: &Url, ca: Option<&[u8]>) -> Result<ClientConfig, InvalidClient> {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(InvalidClient::Tls)?;
    let builder = match ca {
        Some(pem) => builder.with_root_certificates(roots(pem)?),
        None if url.uri().scheme_str() == Some("https") => {
            builder.with_native_roots().map_err(InvalidClient::System)?
        }
        // Nothing is verified over plain HTTP, and a system without certificates is fine.
        None => builder.with_root_certificates(RootCertStore::empty()),
    };
    Ok(builder.with_no_client_auth())
}

fn roots(pem: &[u8]) -> Result<RootCertStore, InvalidClient> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| InvalidClient::NoCertificate)?;
        roots
            .add(certificate)
            .map_err(|_| InvalidClient::NoCertificate)?;
    }
    if roots.is_empty() {
        return Err(InvalidClient::NoCertificate);
    }
    Ok(roots)
}

/// The innermost cause says what happened: the others say that something did.
fn failed(error: &(dyn std::error::Error + 'static)) -> FetchError {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let cause = causes.last().map(ToString::to_string);
    FetchError::Failed(cause.unwrap_or_default())
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(…)")
    }
}
