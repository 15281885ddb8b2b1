//! A sample of hostile tokens, end to end. The whole table is the crate `keygate-users`'s.

use rstest_reuse::apply;
use serde_json::{Value, json};

use super::{ada_with, bearer, send, start};
use crate::support::gateway::Services;
use crate::support::nginx::{Version, each_nginx};
use crate::support::openid::Provider;
use crate::support::problem::is_problem;
use crate::support::report;

/// A token, its name, and what the log says of it.
type Case = (&'static str, String, &'static str);

/// A provider whose tokens may be wrong in any part.
struct Forge<'p> {
    provider: &'p Provider,
    now: i64,
}

impl Forge<'_> {
    /// A token as the provider issues it, with one claim changed.
    fn with_claim(&self, name: &str, value: Value) -> String {
        self.provider.token("es", &ada_with(name, value))
    }

    /// A token with a header field changed.
    fn with_header(&self, name: &str, value: Value) -> String {
        let mut header = json!({"alg": "ES256", "typ": "JWT", "kid": "es"});
        header[name] = value;
        self.provider
            .signed("es", &header.to_string(), &self.claims(""))
    }

    /// A token with more text at the end of its claims.
    fn with_claims_text(&self, more: &str) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": "es"});
        let claims = self.claims(more);
        self.provider.signed("es", &header.to_string(), &claims)
    }

    fn by_public_key_as_secret(&self) -> String {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": "rs"});
        let claims = self.claims("");
        self.provider
            .hmac_by_public_key("rs", &header.to_string(), &claims)
    }

    /// Valid claims as text.
    fn claims(&self, more: &str) -> String {
        let mut claims = ada_with("iss", self.provider.issuer.clone().into());
        claims["exp"] = (self.now + 300).into();
        let claims = claims.to_string();
        format!("{}{more}}}", claims.strip_suffix('}').unwrap())
    }

    fn wrong_forms(&self) -> Vec<Case> {
        let valid = self.with_claims_text("");
        let parts: Vec<_> = valid.split('.').collect();
        let [header, claims, signature] = *parts else {
            panic!("not three parts");
        };
        let other = flipped(signature);
        let with = |name, value| self.with_header(name, value);
        let secret = self.by_public_key_as_secret();
        vec![
            ("alg none", with("alg", "none".into()), "`alg` is `none`"),
            (
                "public key as secret",
                secret,
                "not one of this issuer's `algorithms`",
            ),
            (
                "another algorithm",
                with("alg", "RS256".into()),
                "not one of its `alg`",
            ),
            ("crit", with("crit", json!(["exp"])), "`crit`"),
            (
                "kid traversal",
                with("kid", "../../dev/null".into()),
                "no key of the issuer",
            ),
            (
                "another signature",
                format!("{header}.{claims}.{other}"),
                "signature is wrong",
            ),
            (
                "no signature",
                format!("{header}.{claims}."),
                "signature is empty",
            ),
            ("two parts", format!("{header}.{claims}"), "three parts"),
            (
                "padding",
                format!("{header}=.{claims}.{signature}"),
                "header is not base64url",
            ),
        ]
    }

    fn wrong_claims(&self) -> Vec<Case> {
        let now = self.now;
        let nested = format!(",\"x\":{}{}", "[".repeat(1000), "]".repeat(1000));
        let text = |more: &str| self.with_claims_text(more);
        let with = |name, value| self.with_claim(name, value);
        let (evil, injection) = ("https://evil.example.com", "a\r\nclient-type: A");
        vec![
            (
                "list of issuers",
                with("iss", json!([self.provider.issuer])),
                "`iss` is not a string",
            ),
            (
                "another issuer",
                with("iss", evil.into()),
                "`iss` is no issuer",
            ),
            ("no audience", with("aud", Value::Null), "`aud` is neither"),
            (
                "audience as an object",
                with("aud", json!({"orders-api": true})),
                "`aud` is neither",
            ),
            (
                "another audience",
                with("aud", "billing".into()),
                "none of this issuer's `audience`",
            ),
            ("expired", with("exp", (now - 3600).into()), "has expired"),
            (
                "expiry as text",
                with("exp", (now + 300).to_string().into()),
                "not a whole number",
            ),
            (
                "a number beyond all",
                text(",\"a\":1e400"),
                "claims are rejected",
            ),
            (
                "not yet valid",
                with("nbf", (now + 3600).into()),
                "not valid yet",
            ),
            (
                "repeated claim",
                text(",\"sub\":\"root\""),
                "claims are rejected",
            ),
            ("nesting", text(&nested), "claims are rejected"),
            ("no user", with("sub", Value::Null), "names nobody"),
            (
                "line break in the id",
                with("sub", injection.into()),
                "names nobody",
            ),
        ]
    }
}

/// The same signature with another first character.
fn flipped(signature: &str) -> String {
    let mut characters = signature.chars();
    let first = if characters.next() == Some('A') {
        'B'
    } else {
        'A'
    };
    std::iter::once(first).chain(characters).collect()
}

#[apply(each_nginx)]
fn invalid_tokens_are_denied_and_only_their_cause_is_logged(
    version: Version,
    #[values(Services::PairOverUnix, Services::Single)] services: Services,
) {
    let provider = Provider::start("ES256", "es");
    provider.add_key("RS256", "rs");
    let gateway = start(version, services, &provider);
    let forge = Forge {
        provider: &provider,
        now: jiff::Timestamp::now().as_second(),
    };
    let tokens = [forge.wrong_forms(), forge.wrong_claims()].concat();
    for (name, token, _) in &tokens {
        let response = send(&gateway, "/me", &[&bearer(token)]);
        is_problem(&response, 401, "invalid-token")
            .unwrap_or_else(|wrong| panic!("{name}: {wrong}, received {response:?}"));
        assert_eq!(
            response.header("www-authenticate"),
            Some("Bearer error=\"invalid_token\""),
            "{name}"
        );
        assert!(gateway.backend.take().is_empty(), "{name}");
    }
    let log = gateway.logs();
    let causes: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["reason"] == "invalid-token")
        .collect();
    assert_eq!(causes.len(), tokens.len(), "{log}");
    for ((name, token, cause), line) in tokens.iter().zip(&causes) {
        let text = line.to_string();
        assert!(text.contains(cause), "{name}: no `{cause}` in {text}");
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!log.contains(part), "{name}: a part of the token is logged");
        }
        report::passed(
            &version.number(),
            &format!("users: invalid token, {name}, {services:?}"),
        );
    }

    // Too long for a header of nginx's; no service sees it.
    let long = bearer(&"a".repeat(1 << 20));
    let response = send(&gateway, "/me", &[&long]);
    assert!([400, 414, 431].contains(&response.status()), "{response:?}");
    assert!(gateway.backend.take().is_empty());
}
