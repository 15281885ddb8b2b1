//! The sources in order: trusted headers, then a token, then the userinfo service.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};
use keygate_user_sources::{Sources, Tokens, UserinfoClient, userinfo::KeyNames};
use keygate_users::{
    FindUser, KeySet, Lookup, Outcome, Refusal, TokenFrom,
    jwt::Part,
    peers::Peer,
    settings::{InvalidToken, TrustedHeaders, Userinfo},
    trusted::MalformedHeaders,
    userinfo::NobodyReason,
};
use rstest::rstest;
use serde_json::json;

use crate::{
    issuer::{FIRST, issuer, loaded, now, set_of},
    server::{Reply, Server},
};

const TRUSTED: (&str, &str) = ("miauserid", "trusted");
const COOKIE: (&str, &str) = ("cookie", "sid=1");

/// A userinfo service that knows `by-userinfo`, and keys that verify tokens of `ada`.
async fn sources(invalid_token: InvalidToken) -> (Server, Sources) {
    let server = Server::start(Reply::ok(r#"{"sub":"by-userinfo"}"#)).await;
    let userinfo: Userinfo = serde_json::from_value(json!({
        "url": server.url("/me"), "headers": ["cookie", "authorization"],
    }))
    .unwrap();
    let trusted: TrustedHeaders = serde_json::from_value(json!({"peers": ["unix"]})).unwrap();
    let (set, ignored) = KeySet::parse(&set_of(&[&FIRST])).unwrap();
    let sources = Sources {
        trusted: Some(trusted),
        tokens: Tokens::new(vec![(issuer(), loaded(set, ignored))]),
        token_from: vec![TokenFrom::Authorization],
        bearer_may_be_key: false,
        invalid_token,
        userinfo: Some(UserinfoClient::new(userinfo, KeyNames::default(), None).unwrap()),
    };
    (server, sources)
}

async fn find(sources: &Sources, peer: Peer, lines: &[(&'static str, &str)]) -> Outcome {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let lookup = Lookup {
        headers: &headers,
        peer: Some(peer),
        is_backoffice: false,
        now: now(),
    };
    sources.find(lookup).await
}

fn id(outcome: Outcome) -> String {
    match outcome {
        Outcome::User(user, _) => user.id.clone(),
        other => format!("{other:?}"),
    }
}

fn bearer() -> String {
    format!("Bearer {}", String::from_utf8(FIRST.token()).unwrap())
}

#[rstest]
#[case::all(Peer::Unix, &[TRUSTED, ("authorization", "$"), COOKIE], "trusted", 0)]
#[case::untrusted_peer(Peer::Address([10, 0, 0, 1].into()), &[TRUSTED, ("authorization", "$"), COOKIE], "ada", 0)]
#[case::token(Peer::Unix, &[("authorization", "$"), COOKIE], "ada", 0)]
#[case::userinfo(Peer::Unix, &[COOKIE], "by-userinfo", 1)]
#[case::opaque_token(Peer::Unix, &[("authorization", "Bearer opaque")], "by-userinfo", 1)]
#[case::nothing(Peer::Unix, &[], "Nobody(None)", 0)]
#[case::untrusted_alone(Peer::Address([10, 0, 0, 1].into()), &[TRUSTED], "Nobody(Some(UntrustedPeer(Address(10.0.0.1))))", 0)]
#[tokio::test]
async fn the_first_source_that_yields_a_user_wins(
    #[case] peer: Peer,
    #[case] lines: &[(&'static str, &str)],
    #[case] expected: &str,
    #[case] calls: usize,
) {
    let (server, sources) = sources(InvalidToken::Deny).await;
    let bearer = bearer();
    let lines: Vec<_> = lines
        .iter()
        .map(|(name, value)| {
            (
                *name,
                if *value == "$" {
                    bearer.as_str()
                } else {
                    value
                },
            )
        })
        .collect();
    assert_eq!(id(find(&sources, peer, &lines).await), expected);
    assert_eq!(server.count(), calls);
}

#[tokio::test]
async fn an_invalid_token_denies_before_userinfo_is_called() {
    let lines = [("authorization", "Bearer a.b.c"), COOKIE];
    let (server, denying) = sources(InvalidToken::Deny).await;
    let refusal = Outcome::InvalidToken(Refusal::NotBase64(Part::Header));
    assert_eq!(find(&denying, Peer::Unix, &lines).await, refusal);
    assert_eq!(server.count(), 0);
    let (_server, mut anonymous) = sources(InvalidToken::Anonymous).await;
    assert_eq!(
        id(find(&anonymous, Peer::Unix, &lines).await),
        "by-userinfo"
    );
    // Without another source, the log has the cause.
    anonymous.userinfo = None;
    let refusal = NobodyReason::InvalidToken(Refusal::NotBase64(Part::Header));
    assert_eq!(
        find(&anonymous, Peer::Unix, &lines).await,
        Outcome::Nobody(Some(refusal))
    );
}

#[tokio::test]
async fn an_opaque_token_without_userinfo_is_invalid() {
    let (_server, mut sources) = sources(InvalidToken::Deny).await;
    sources.userinfo = None;
    let lines = [("authorization", "Bearer kg_1")];
    let refusal = Outcome::InvalidToken(Refusal::NotThreeParts);
    assert_eq!(find(&sources, Peer::Unix, &lines).await, refusal);
    // Where an API key may come as one, it is no token.
    sources.bearer_may_be_key = true;
    assert_eq!(
        find(&sources, Peer::Unix, &lines).await,
        Outcome::Nobody(None)
    );
}

#[tokio::test]
async fn contradicting_trusted_headers_deny() {
    let (_server, sources) = sources(InvalidToken::Deny).await;
    let outcome = find(&sources, Peer::Unix, &[TRUSTED, ("miauserid", "eve")]).await;
    let is_repeated = matches!(outcome, Outcome::Malformed(MalformedHeaders::Repeated(_)));
    assert!(is_repeated, "{outcome:?}");
}

#[tokio::test]
async fn an_outage_is_told_from_nobody() {
    let (server, sources) = sources(InvalidToken::Deny).await;
    server.reply(Reply::status(500, ""));
    let outcome = find(&sources, Peer::Unix, &[COOKIE]).await;
    assert!(matches!(outcome, Outcome::Unavailable(_)), "{outcome:?}");
    server.reply(Reply::status(401, ""));
    assert_eq!(
        find(&sources, Peer::Unix, &[COOKIE]).await,
        Outcome::Nobody(Some(NobodyReason::Unknown))
    );
}

#[tokio::test]
async fn look_ups_can_be_shared_by_threads() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    let (_server, sources) = sources(InvalidToken::Deny).await;
    let sources = Arc::new(sources);
    is_shared(&sources);
    let look_up = async move { id(find(&sources, Peer::Unix, &[COOKIE]).await) };
    assert_eq!(tokio::spawn(look_up).await.unwrap(), "by-userinfo");
}
