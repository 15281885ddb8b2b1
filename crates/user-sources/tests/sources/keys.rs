//! Keys of an issuer: fetched in the background, rotated, and missing while the server is down.

use std::{sync::Arc, time::Duration};

use keygate_user_sources::{
    Client, FetchError, Keys, Rejection, Timing, Tokens, keys::FetchFailure,
};
use keygate_users::{KeySet, Refusal, jwks::InvalidSet, settings::Url};
use rstest::rstest;

use crate::{
    issuer::{FIRST, SECOND, issuer, loaded, now, set_named, set_of},
    server::{Reply, Server, until},
};

fn timing() -> Timing {
    let milliseconds = Duration::from_millis;
    Timing {
        cooldown: milliseconds(1000),
        wait: milliseconds(5000),
        first_retry: milliseconds(50),
        longest_retry: milliseconds(100),
        fetch: milliseconds(2000),
        ..Timing::default()
    }
}

fn start(url: &str, timing: Timing) -> (Arc<Keys>, Tokens) {
    let url: Url = url.parse().unwrap();
    let client = Client::new(&url, None).unwrap();
    let (keys, fetcher) = Keys::at(url, client, timing);
    tokio::spawn(fetcher.run());
    let tokens = Tokens::new(vec![(issuer(), Arc::clone(&keys))]);
    (keys, tokens)
}

/// An issuer whose keys have been fetched.
async fn started(reply: Reply, timing: Timing) -> (Server, Arc<Keys>, Tokens) {
    let server = Server::start(reply).await;
    let (keys, tokens) = start(&server.url("/jwks"), timing);
    until("the keys are fetched", || keys.current().is_some()).await;
    (server, keys, tokens)
}

/// Whether it is Ada's token.
async fn verify(tokens: &Tokens, token: Vec<u8>) -> Result<bool, Rejection> {
    tokens
        .verify(&token, now())
        .await
        .map(|it| it.user.id == "ada")
}

async fn rest() {
    tokio::time::sleep(timing().cooldown).await;
}

#[tokio::test]
async fn tokens_are_verified_with_fetched_keys() {
    let (server, keys, tokens) = started(Reply::ok(set_of(&[&FIRST])), timing()).await;
    for _ in 0..10 {
        assert_eq!(verify(&tokens, FIRST.token()).await, Ok(true));
    }
    assert_eq!(server.count(), 1);
    let status = keys.status();
    assert_eq!(
        (status.keys, status.tries, status.failed_tries),
        (Some(1), 1, 0)
    );
}

#[tokio::test]
async fn a_source_that_is_down_at_the_start_is_tried_again() {
    let server = Server::start(Reply::status(503, "")).await;
    let (keys, tokens) = start(&server.url("/jwks"), timing());
    until("it was tried", || keys.status().failed_tries > 1).await;
    assert_eq!(keys.status().failure, Some(FetchFailure::Status(503)));
    assert_eq!(
        verify(&tokens, FIRST.token()).await,
        Err(Rejection::Unavailable)
    );
    server.reply(Reply::ok(set_of(&[&FIRST])));
    until("the keys are fetched", || keys.current().is_some()).await;
    assert_eq!(verify(&tokens, FIRST.token()).await, Ok(true));
    assert_eq!(keys.status().failure, None);
}

#[tokio::test]
async fn an_invalid_token_is_invalid_while_the_source_is_down() {
    let (_, tokens) = start("http://127.0.0.1:1/jwks", timing());
    let rejected = verify(&tokens, b"a.b.c".to_vec()).await;
    assert!(
        matches!(rejected, Err(Rejection::Invalid(_))),
        "{rejected:?}"
    );
}

#[tokio::test]
async fn an_unknown_key_id_earns_a_fetch() {
    let (server, _, tokens) = started(Reply::ok(set_of(&[&FIRST])), timing()).await;
    server.reply(Reply::ok(set_of(&[&FIRST, &SECOND])));
    rest().await;
    assert_eq!(verify(&tokens, SECOND.token()).await, Ok(true));
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a_wrong_signature_under_a_known_id_earns_a_fetch() {
    let (server, _, tokens) = started(Reply::ok(set_of(&[&FIRST])), timing()).await;
    server.reply(Reply::ok(set_named(&SECOND, "first")));
    rest().await;
    assert_eq!(verify(&tokens, SECOND.token_named("first")).await, Ok(true));
    let former = verify(&tokens, FIRST.token()).await;
    assert_eq!(former, Err(Refusal::BadSignature.into()));
}

#[tokio::test]
async fn a_flood_of_unknown_ids_is_one_fetch() {
    let reply = Reply::ok(set_of(&[&FIRST])).after(100);
    let (server, _, tokens) = started(reply, timing()).await;
    rest().await;
    let tokens = Arc::new(tokens);
    let flood = (0..200).map(|number| {
        let tokens = Arc::clone(&tokens);
        tokio::spawn(async move { verify(&tokens, SECOND.token_named(&number.to_string())).await })
    });
    for verified in flood.collect::<Vec<_>>() {
        let unknown = Err(Refusal::UnknownKey.into());
        assert_eq!(verified.await.unwrap(), unknown);
    }
    // And none right after it.
    let again = verify(&tokens, SECOND.token()).await;
    assert_eq!(again, Err(Refusal::UnknownKey.into()));
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn other_invalid_tokens_earn_no_fetch() {
    let (server, _, tokens) = started(Reply::ok(set_of(&[&FIRST])), timing()).await;
    rest().await;
    let expired = verify(&tokens, FIRST.token_until("first", 1)).await;
    assert_eq!(expired, Err(Refusal::Expired.into()));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_key_that_is_withdrawn_stops_working() {
    let (server, keys, tokens) = started(Reply::ok(set_of(&[&FIRST])), timing()).await;
    let known = FIRST.token();
    assert_eq!(verify(&tokens, known.clone()).await, Ok(true));
    server.reply(Reply::ok(set_of(&[&SECOND])));
    rest().await;
    assert_eq!(verify(&tokens, SECOND.token()).await, Ok(true));
    let former = verify(&tokens, known).await;
    assert_eq!(former, Err(Refusal::UnknownKey.into()));
    assert_eq!(keys.status().keys, Some(1));
}

#[tokio::test]
async fn a_token_that_is_remembered_expires() {
    let (set, ignored) = KeySet::parse(&set_of(&[&FIRST])).unwrap();
    let tokens = Tokens::new(vec![(issuer(), loaded(set, ignored))]);
    let token = FIRST.token();
    for seconds in [0, 1, 299] {
        let now = now() + Duration::from_secs(seconds);
        assert!(tokens.verify(&token, now).await.is_ok(), "{seconds}");
    }
    let late = now() + Duration::from_mins(5);
    assert_eq!(
        tokens.verify(&token, late).await,
        Err(Refusal::Expired.into())
    );
}

#[tokio::test]
async fn a_remembered_token_is_known_byte_for_byte() {
    let (set, ignored) = KeySet::parse(&set_of(&[&FIRST])).unwrap();
    let tokens = Tokens::new(vec![(issuer(), loaded(set, ignored))]);
    let mut token = FIRST.token();
    let first = tokens.verify(&token, now()).await.unwrap();
    let again = tokens.verify(&token, now()).await.unwrap();
    assert!(Arc::ptr_eq(&first.user, &again.user));
    let at = token.len() - 10;
    token[at] = if token[at] == b'A' { b'B' } else { b'A' };
    let changed = tokens.verify(&token, now()).await;
    assert_eq!(changed, Err(Refusal::BadSignature.into()));
}

#[tokio::test]
async fn an_outage_leaves_known_keys_working() {
    let (server, keys, tokens) = started(Reply::ok(set_of(&[&FIRST])), timing()).await;
    server.reply(Reply::status(500, ""));
    rest().await;
    assert_eq!(
        verify(&tokens, SECOND.token()).await,
        Err(Rejection::Unavailable)
    );
    assert_eq!(verify(&tokens, FIRST.token()).await, Ok(true));
    assert_eq!(keys.status().failure, Some(FetchFailure::Status(500)));
    server.reply(Reply::ok(set_of(&[&FIRST, &SECOND])));
    until("the server is back", || keys.status().failure.is_none()).await;
    assert_eq!(verify(&tokens, SECOND.token()).await, Ok(true));
}

#[tokio::test]
async fn a_hanging_server_holds_up_nobody_for_long() {
    let short = Timing {
        wait: Duration::from_millis(100),
        ..timing()
    };
    let (server, _, tokens) = started(Reply::ok(set_of(&[&FIRST])), short).await;
    server.reply(Reply::ok("").after(60_000));
    rest().await;
    let started = std::time::Instant::now();
    assert_eq!(
        verify(&tokens, SECOND.token()).await,
        Err(Rejection::Unavailable)
    );
    assert_eq!(verify(&tokens, FIRST.token()).await, Ok(true));
    assert!(started.elapsed() < Duration::from_millis(1500));
}

#[tokio::test]
async fn a_stale_set_is_used_for_a_bounded_time() {
    let short = Timing {
        max_stale: Duration::from_millis(1500),
        ..timing()
    };
    let (server, keys, tokens) = started(Reply::ok(set_of(&[&FIRST])), short).await;
    server.reply(Reply::status(500, ""));
    assert_eq!(verify(&tokens, FIRST.token()).await, Ok(true));
    assert_eq!(keys.status().keys, Some(1));
    until("the set is too old", || keys.current().is_none()).await;
    assert_eq!(keys.status().keys, None);
    assert_eq!(
        verify(&tokens, FIRST.token()).await,
        Err(Rejection::Unavailable)
    );
}

#[tokio::test]
async fn a_set_is_fetched_again_before_it_is_old() {
    let short = Timing {
        fresh: (Duration::from_millis(100), Duration::from_millis(200)),
        ..timing()
    };
    let mut reply = Reply::ok(set_of(&[&FIRST]));
    reply.headers = vec![("cache-control", "public, max-age=3600".to_owned())];
    let (server, _, _) = started(reply, short).await;
    until("it is fetched again", || server.count() > 2).await;
}

#[rstest]
#[case::login_page(Reply::ok("<html>"), FetchFailure::Set(InvalidSet::NotASet))]
#[case::no_keys(Reply::ok(r#"{"keys":[]}"#), FetchFailure::Set(InvalidSet::NoUsableKey(vec![])))]
#[case::not_found(Reply::status(404, "{}"), FetchFailure::Status(404))]
#[case::too_long(Reply::ok(vec![b' '; 300_000]), FetchFailure::NoResponse(FetchError::TooLong(262_144)))]
#[case::too_slow(Reply::ok("").after(5000), FetchFailure::NoResponse(FetchError::TimedOut(Duration::from_secs(2))))]
#[tokio::test]
async fn a_useless_response_leaves_the_former_keys(
    #[case] reply: Reply,
    #[case] failure: FetchFailure,
) {
    let (server, keys, tokens) = started(Reply::ok(set_of(&[&FIRST])), timing()).await;
    server.reply(reply);
    rest().await;
    assert_eq!(
        verify(&tokens, SECOND.token()).await,
        Err(Rejection::Unavailable)
    );
    assert_eq!(keys.status().failure, Some(failure));
    assert_eq!(verify(&tokens, FIRST.token()).await, Ok(true));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::start(Reply::ok(set_of(&[&SECOND]))).await;
    let (server, keys, tokens) = started(Reply::ok(set_of(&[&FIRST])), timing()).await;
    let mut redirect = Reply::status(302, "");
    redirect.headers = vec![("location", other.url("/jwks"))];
    server.reply(redirect);
    rest().await;
    assert_eq!(
        verify(&tokens, SECOND.token()).await,
        Err(Rejection::Unavailable)
    );
    assert_eq!(keys.status().failure, Some(FetchFailure::Status(302)));
    assert_eq!(other.count(), 0);
}

#[tokio::test]
async fn loaded_keys_never_get_old_and_are_never_fetched() {
    let (set, ignored) = KeySet::parse(&set_of(&[&FIRST])).unwrap();
    let keys = loaded(set, ignored);
    let tokens = Tokens::new(vec![(issuer(), Arc::clone(&keys))]);
    assert_eq!(verify(&tokens, FIRST.token()).await, Ok(true));
    let unknown = verify(&tokens, SECOND.token()).await;
    assert_eq!(unknown, Err(Refusal::UnknownKey.into()));
    let (set, ignored) = KeySet::parse(&set_of(&[&SECOND])).unwrap();
    keys.replace(set, ignored);
    assert_eq!(verify(&tokens, SECOND.token()).await, Ok(true));
}
