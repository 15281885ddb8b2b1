//! TLS: a server is verified by the CA file, and by nothing else.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use keygate_user_sources::{
    Client, FetchError,
    client::{InvalidClient, Limits},
};
use keygate_users::settings::Url;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

const LIMITS: Limits = Limits {
    time: Duration::from_secs(2),
    body: 100,
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A server with a certificate for this name, which responds `hello`.
async fn serve(authority: &Authority, name: &str) -> Url {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 1024]).await;
            let response = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
            let _ = stream.write_all(response).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("https://127.0.0.1:{port}/").parse().unwrap()
}

async fn get(url: &Url, ca: &str) -> Result<Vec<u8>, FetchError> {
    let client = Client::new(url, Some(ca.as_bytes())).unwrap();
    let response = client.get(url, HeaderMap::new(), LIMITS).await?;
    Ok(response.body.to_vec())
}

#[tokio::test]
async fn a_server_is_verified_by_the_ca_file() {
    let ours = authority();
    let url = serve(&ours, "127.0.0.1").await;
    assert_eq!(get(&url, &ours.pem()).await, Ok(b"hello".to_vec()));
    // A bundle with another one in front.
    let bundle = format!("{}{}", authority().pem(), ours.pem());
    assert_eq!(get(&url, &bundle).await, Ok(b"hello".to_vec()));
}

#[tokio::test]
async fn a_server_of_another_authority_or_name_is_rejected() {
    let ours = authority();
    let url = serve(&ours, "127.0.0.1").await;
    let other = get(&url, &authority().pem()).await;
    assert!(matches!(other, Err(FetchError::Failed(_))), "{other:?}");
    let url = serve(&ours, "id.example.com").await;
    let misnamed = get(&url, &ours.pem()).await;
    assert!(
        matches!(misnamed, Err(FetchError::Failed(_))),
        "{misnamed:?}"
    );
}

#[rstest]
#[case("")]
#[case("not a certificate")]
#[case("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]
#[case("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")]
fn a_file_without_certificates_is_rejected(#[case] pem: &str) {
    let url = "https://id.example.com/".parse().unwrap();
    let rejected = Client::new(&url, Some(pem.as_bytes())).unwrap_err();
    assert!(
        matches!(rejected, InvalidClient::NoCertificate),
        "{rejected}"
    );
}

#[tokio::test]
async fn an_error_says_what_happened() {
    let url = "http://127.0.0.1:1/".parse().unwrap();
    let client = Client::new(&url, None).unwrap();
    let Err(error) = client.get(&url, HeaderMap::new(), LIMITS).await else {
        panic!("something listens on port 1");
    };
    let expected = "the request failed: Connection refused (os error 111)";
    assert_eq!(error.to_string(), expected);
}
