//! The userinfo service: what it is sent, and what its responses, its silence and its slowness mean.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use keygate_user_sources::{
    FetchError, UserinfoClient,
    userinfo::{KeyNames, LookUpError},
};
use keygate_users::{
    settings::Userinfo,
    userinfo::{InvalidResponse, Login, NobodyReason},
};
use rstest::rstest;
use serde_json::{Value, json};

use crate::{
    issuer::{FIRST, now},
    server::{Reply, Server},
};

const ADA: &str = r#"{"sub":"ada","groups":["admin"]}"#;

fn client(server: &Server, more: Value) -> UserinfoClient {
    let mut settings = json!({
        "url": server.url("/me"), "backoffice-url": server.url("/office"),
        "headers": ["cookie", "x-session"], "timeout-ms": 2000,
    });
    let more = serde_json::from_value::<serde_json::Map<_, _>>(more).unwrap();
    settings.as_object_mut().unwrap().extend(more);
    let settings: Userinfo = serde_json::from_value(settings).unwrap();
    let keys = KeyNames {
        headers: vec![HeaderName::from_static("x-key")],
        cookies: vec!["key".to_owned()],
    };
    UserinfoClient::new(settings, keys, None).unwrap()
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

async fn find(client: &UserinfoClient, cookie: &str) -> Result<String, String> {
    let headers = headers(&[("cookie", cookie)]);
    match client.find(&headers, false, now()).await {
        Ok(Login::User(found)) => Ok(found.user.id),
        Ok(Login::Nobody(why)) => Ok(format!("nobody: {why}")),
        Err(error) => Err(error.to_string()),
    }
}

#[rstest]
#[case("key=k", None)]
#[case(" key = k ;", None)]
#[case("sid=1", Some("sid=1"))]
#[case("a; xkey=1;keyx=2;  b=key=3", Some("a; xkey=1;keyx=2;  b=key=3"))]
#[case("key=k; sid=1", Some("sid=1"))]
#[case("sid=1;\tkey=k", Some("sid=1"))]
#[case("a=1; key=k;b=2; key=l", Some("a=1; b=2"))]
#[tokio::test]
async fn a_key_is_never_sent(#[case] cookie: &str, #[case] sent: Option<&str>) {
    let server = Server::start(Reply::ok(ADA)).await;
    let client = client(&server, json!({"headers": ["cookie", "x-key"]}));
    let headers = headers(&[("cookie", cookie), ("x-key", "k")]);
    client.find(&headers, false, now()).await.unwrap();
    let received = server.requests();
    let received: Vec<_> = received
        .iter()
        .map(|(_, headers)| headers.get("cookie").unwrap().to_str().unwrap())
        .collect();
    // Without another credential, the service is not called.
    assert_eq!(received, Vec::from_iter(sent));
    assert!(
        server
            .requests()
            .iter()
            .all(|(_, it)| !it.contains_key("x-key"))
    );
}

#[tokio::test]
async fn exactly_the_named_headers_are_sent() {
    let server = Server::start(Reply::ok(ADA)).await;
    let client = client(&server, json!({}));
    let all = headers(&[
        ("cookie", "sid=1"),
        ("cookie", "b=2"),
        ("x-session", "s"),
        ("client-key", "kg_secret"),
        ("authorization", "Bearer t"),
        ("host", "api.example.com"),
        ("connection", "upgrade"),
        ("content-length", "5"),
        ("accept", "text/html"),
    ]);
    let Ok(Login::User(found)) = client.find(&all, false, now()).await else {
        panic!("nobody");
    };
    assert!(found.user.groups.contains("admin"));
    let (target, sent) = server.requests().remove(0);
    assert_eq!(target, "/me");
    let mut lines: Vec<_> = sent
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    let host = format!("host: {}", server.origin.trim_start_matches("http://"));
    let expected = [
        "accept: application/json",
        "cookie: b=2",
        "cookie: sid=1",
        &host,
        "x-session: s",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn back_office_requests_have_their_own_service() {
    let server = Server::start(Reply::ok(ADA)).await;
    let client = client(&server, json!({"cache-seconds": 60}));
    let sent = headers(&[("cookie", "sid=1")]);
    for is_backoffice in [false, true, true, false] {
        assert!(client.find(&sent, is_backoffice, now()).await.is_ok());
    }
    let targets: Vec<_> = server.requests().into_iter().map(|it| it.0).collect();
    assert_eq!(targets, ["/me", "/office"]);
}

#[rstest]
#[case::none(&[], json!({}), 0)]
#[case::another(&[("authorization", "Bearer t")], json!({}), 0)]
#[case::one(&[("x-session", "s")], json!({}), 1)]
#[case::not_that_one(&[("x-session", "s")], json!({"only-with": ["cookie"]}), 0)]
#[case::that_one(&[("cookie", "s")], json!({"only-with": ["cookie"]}), 1)]
#[tokio::test]
async fn without_a_credential_it_is_not_called(
    #[case] lines: &[(&'static str, &str)],
    #[case] more: Value,
    #[case] calls: usize,
) {
    let server = Server::start(Reply::ok(ADA)).await;
    let found = client(&server, more)
        .find(&headers(lines), false, now())
        .await;
    assert_eq!(server.count(), calls);
    let is_nobody = matches!(found, Ok(Login::Nobody(NobodyReason::NoCredential)));
    assert_eq!(is_nobody, calls == 0);
}

#[rstest]
#[case(Reply::status(401, ""), Ok(Login::Nobody(NobodyReason::Unknown)))]
#[case(Reply::ok(""), Ok(Login::Nobody(NobodyReason::Unknown)))]
#[case(
    Reply::status(500, ADA),
    Err(LookUpError::Response(InvalidResponse::Status(500)))
)]
#[case(
    Reply::status(302, ADA),
    Err(LookUpError::Response(InvalidResponse::Status(302)))
)]
#[case(Reply::ok(vec![b' '; 70_000]), Err(LookUpError::NoResponse(FetchError::TooLong(65_536))))]
#[case(Reply::ok(ADA).after(5000), Err(LookUpError::NoResponse(FetchError::TimedOut(Duration::from_secs(2)))))]
#[tokio::test]
async fn failures_are_never_kept(
    #[case] reply: Reply,
    #[case] expected: Result<Login, LookUpError>,
) {
    let server = Server::start(reply).await;
    let client = client(&server, json!({"cache-seconds": 60}));
    let found = client
        .find(&headers(&[("cookie", "sid=1")]), false, now())
        .await;
    assert_eq!(found, expected);
    server.reply(Reply::ok(ADA));
    assert_eq!(find(&client, "sid=1").await, Ok("ada".to_owned()));
}

#[tokio::test]
async fn a_user_is_kept_for_the_same_credentials_alone() {
    let server = Server::start(Reply::ok(ADA)).await;
    let client = client(&server, json!({"cache-seconds": 2}));
    for cookie in ["sid=1", "sid=1", "sid=2", "sid=1"] {
        assert_eq!(find(&client, cookie).await, Ok("ada".to_owned()));
    }
    assert_eq!(server.count(), 2);
    tokio::time::sleep(Duration::from_millis(2050)).await;
    server.reply(Reply::status(401, ""));
    let gone = find(&client, "sid=1").await.unwrap();
    assert!(gone.starts_with("nobody"), "{gone}");
}

#[tokio::test]
async fn kept_users_are_bounded_by_their_responses() {
    const USERS: usize = 400;
    let long = format!(r#"{{"sub":"ada","more":"{}"}}"#, "x".repeat(60_000));
    let server = Server::start(Reply::ok(long)).await;
    let client = client(&server, json!({"cache-seconds": 600}));
    for _ in 0..2 {
        for user in 0..USERS {
            assert_eq!(
                find(&client, &format!("sid=1; n={user}")).await,
                Ok("ada".to_owned())
            );
        }
    }
    let most_kept = 16 * 1024 * 1024 / 60_000;
    let calls = server.count();
    assert!(calls >= 2 * USERS - most_kept, "{calls} calls");
    assert_eq!(find(&client, "sid=1; n=399").await, Ok("ada".to_owned()));
    assert_eq!(server.count(), calls, "the last user is kept");
}

#[tokio::test]
async fn by_default_no_user_is_kept() {
    let server = Server::start(Reply::ok(ADA)).await;
    let client = client(&server, json!({}));
    for calls in 1..4 {
        assert_eq!(find(&client, "sid=1").await, Ok("ada".to_owned()));
        assert_eq!(server.count(), calls);
    }
}

#[rstest]
#[case::expired(-1, 2)]
#[case::a_while(60, 1)]
#[tokio::test]
async fn a_user_is_not_kept_beyond_the_expiry_of_a_token(#[case] left: i64, #[case] calls: usize) {
    let server = Server::start(Reply::ok(ADA)).await;
    let client = client(&server, json!({"cache-seconds": 60}));
    let token = FIRST.token_until("first", now().as_second() + left);
    let cookie = format!("a=b; sid={}", String::from_utf8(token).unwrap());
    assert_eq!(find(&client, &cookie).await, Ok("ada".to_owned()));
    assert_eq!(find(&client, &cookie).await, Ok("ada".to_owned()));
    assert_eq!(server.count(), calls);
}

#[tokio::test]
async fn a_back_office_that_hangs_leaves_other_users() {
    const MORE_THAN_WAIT: usize = 1100;
    let server = Server::start(Reply::ok(ADA)).await;
    let office = Server::start(Reply::ok(ADA).after(5000)).await;
    let client = client(&server, json!({"backoffice-url": office.url("/me")}));
    let client = Arc::new(client);
    let hanging = (0..MORE_THAN_WAIT).map(|number| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            let headers = headers(&[("cookie", &format!("sid={number}"))]);
            client.find(&headers, true, now()).await
        })
    });
    let hanging: Vec<_> = hanging.collect();
    while office.count() < 64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(find(&client, "sid=1").await, Ok("ada".to_owned()));
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn equal_look_ups_at_the_same_time_are_one() {
    let server = Server::start(Reply::ok(ADA).after(500)).await;
    let client = Arc::new(client(&server, json!({})));
    let look_ups = (0..100).map(|number| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { find(&client, &format!("sid={}", number % 2)).await })
    });
    for found in look_ups.collect::<Vec<_>>() {
        assert_eq!(found.await.unwrap(), Ok("ada".to_owned()));
    }
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn one_that_gives_up_does_not_stop_the_others() {
    let server = Server::start(Reply::ok(ADA).after(500)).await;
    let client = Arc::new(client(&server, json!({})));
    let look_up = |client: Arc<UserinfoClient>| async move { find(&client, "sid=1").await };
    let first = tokio::spawn(look_up(Arc::clone(&client)));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let second = tokio::spawn(look_up(client));
    tokio::time::sleep(Duration::from_millis(100)).await;
    first.abort();
    assert_eq!(second.await.unwrap(), Ok("ada".to_owned()));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn look_ups_at_once_are_bounded_and_end_in_time() {
    let server = Server::start(Reply::ok(ADA).after(60_000)).await;
    let client = Arc::new(client(&server, json!({"timeout-ms": 1500})));
    let started = std::time::Instant::now();
    let look_ups = (0..1500).map(|number| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { find(&client, &format!("sid={number}")).await })
    });
    let look_ups: Vec<_> = look_ups.collect();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(server.count(), 64);
    let mut busy = 0;
    for found in look_ups {
        let error = found.await.unwrap().unwrap_err();
        busy += usize::from(error == LookUpError::Busy.to_string());
    }
    assert_eq!(busy, 1500 - 1024);
    assert!(started.elapsed() < Duration::from_secs(10));
    server.reply(Reply::ok(ADA));
    assert_eq!(find(&client, "sid=1").await, Ok("ada".to_owned()));
}

#[test]
fn no_debug_output_shows_users() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (server, client) = runtime.unwrap().block_on(async {
        let server = Server::start(Reply::ok(ADA)).await;
        let client = client(&server, json!({"cache-seconds": 60}));
        assert!(find(&client, "sid=1").await.is_ok());
        (server, client)
    });
    let expected = format!("UserinfoClient({})", server.url("/me"));
    assert_eq!(format!("{client:?}"), expected);
}
