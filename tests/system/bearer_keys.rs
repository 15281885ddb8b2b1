//! API keys in `authorization` and `x-api-key`, beside the tokens of users.

use rstest_reuse::apply;

use crate::support::caller;
use crate::support::configured::Files;
use crate::support::gateway::{Gateway, Services, Setup};
use crate::support::nginx::{Version, each_nginx};
use crate::support::problem::is_problem;
use crate::support::report;

const FILES: Files<'_> = Files {
    policy: "
version: 1
endpoints:
  - path: /orders
    groupExpression: clientType === 'A'
  - path: /open
    apiKeyRequired: false
",
    settings: "key-headers: [authorization, x-api-key]\n",
};

const BEARER: &str = "authorization: Bearer sample-key-of-client-a";
const TOKEN: &str = "authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl";
const API_KEY: &str = "x-api-key: sample-key-of-client-a";

/// The result for the caller: the reason of a denial, or the `authorization` that the backend gets.
type Expected = Result<Option<&'static str>, (u16, &'static str)>;

/// A target, header lines, and what follows.
const CASES: [(&str, &[&str], Expected); 15] = [
    ("/orders", &[BEARER], Ok(None)),
    (
        "/orders",
        &["Authorization: bEARER   sample-key-of-client-a"],
        Ok(None),
    ),
    (
        "/orders",
        &["authorization: sample-key-of-client-a"],
        Ok(None),
    ),
    ("/orders", &[API_KEY], Ok(None)),
    ("/orders", &[API_KEY, BEARER], Ok(None)),
    ("/orders", &[API_KEY, TOKEN], Ok(Some(TOKEN))),
    ("/orders", &[TOKEN], Err((401, "missing-key"))),
    ("/open", &[TOKEN], Ok(Some(TOKEN))),
    ("/open", &[], Ok(None)),
    (
        "/orders",
        &["authorization: Bearer sample-key-of-client-b"],
        Err((403, "expression-false")),
    ),
    (
        "/orders",
        &["authorization: Bearer kg_unknown"],
        Err((401, "unknown-key")),
    ),
    (
        "/open",
        &["authorization: Basic YTpi"],
        Err((401, "unknown-key")),
    ),
    (
        "/open",
        &["authorization: Bearer"],
        Err((401, "unknown-key")),
    ),
    (
        "/orders",
        &[API_KEY, "authorization: Bearer sample-key-of-client-b"],
        Err((401, "ambiguous-key")),
    ),
    // The default names carry no key with these settings.
    (
        "/orders",
        &["client-key: sample-key-of-client-a"],
        Err((401, "missing-key")),
    ),
];

#[apply(each_nginx)]
fn a_bearer_key_is_removed_and_a_users_token_is_passed_on(
    version: Version,
    #[values(Services::PairOverTcp, Services::Single)] services: Services,
) {
    let setup = Setup {
        services,
        ..Setup::PLAIN
    };
    let gateway = Gateway::start_configured(version, &setup, &FILES, &[]);
    for (target, lines, expected) in CASES {
        let response = caller::get(&gateway.address, target, lines);
        let received = gateway.backend.take();
        match expected {
            Err((status, reason)) => {
                assert_eq!(
                    is_problem(&response, status, reason),
                    Ok(()),
                    "{lines:?}: {response:?}"
                );
                assert!(received.is_empty(), "{lines:?}");
            }
            Ok(authorization) => {
                assert_eq!(response.status(), 200, "{lines:?}: {response:?}");
                let [request] = received.as_slice() else {
                    panic!("{lines:?}: {received:?}");
                };
                let value = authorization.and_then(|line| line.split_once(": "));
                assert_eq!(
                    request.header("authorization"),
                    value.map(|it| it.1),
                    "{lines:?}"
                );
                assert_eq!(request.header("x-api-key"), None, "{lines:?}");
            }
        }
        report::passed(
            &version.number(),
            &format!("bearer keys: {target} {lines:?}"),
        );
    }
}
