//! How to fix what a token is rejected for.

use jiff::Timestamp;
use keygate_users::{
    Refusal,
    jwt::Audience,
    settings::{KeySource, Users},
};

use super::{Claims, Named, in_seconds, visible};

/// Returns how to fix it, as far as token and settings show that.
pub(super) fn of(
    refusal: Refusal,
    claims: Option<&Claims>,
    users: &Users,
    named: Option<Named<'_>>,
    now: Timestamp,
) -> Option<String> {
    without_claims(refusal, users).or_else(|| {
        let claims = claims?;
        match refusal {
            Refusal::OtherIssuer => Some(other_issuer(claims, users)),
            Refusal::Expired => expired(claims, now),
            Refusal::NotYetValid => not_yet_valid(claims, now),
            _ => with_issuer(refusal, claims, users, named?),
        }
    })
}

/// Errors in the form of a token, which no setting changes.
fn without_claims(refusal: Refusal, users: &Users) -> Option<String> {
    let fix = match refusal {
        Refusal::NotThreeParts if users.userinfo.is_some() => {
            "give a signed token, header.claims.signature; any other is sent to the userinfo service, \
             which this command does not call"
        }
        Refusal::NotThreeParts
        | Refusal::EmptyPart(_)
        | Refusal::NotBase64(_)
        | Refusal::Header(_)
        | Refusal::Claims(_) => {
            "give the whole token as the issuer made it, header.claims.signature, with nothing around it"
        }
        Refusal::TooLong => "have the issuer leave claims out, such as groups that no policy uses",
        Refusal::NoAlgorithm | Refusal::UnknownAlgorithm => {
            "have the issuer sign by RS256, ES256 or another algorithm of the setting `algorithms`"
        }
        Refusal::OtherType => {
            "use an access token, or an ID token: logout tokens and proofs log nobody in"
        }
        Refusal::NoExpiry | Refusal::NotATime(_) => {
            "have the issuer set `exp`, and `nbf` and `iat` where it sets them, to whole seconds since 1970"
        }
        _ => return None,
    };
    Some(fix.to_owned())
}

fn other_issuer(claims: &Claims, users: &Users) -> String {
    let names = users.jwt.iter().map(|jwt| format!("`{}`", jwt.issuer.name));
    let known = names.collect::<Vec<_>>().join(", ");
    let issuer = claims.issuer.as_deref().unwrap_or_default();
    format!(
        "the token is of `{}`, and `users.jwt` has {known}: both must be equal, also in a slash at the end",
        visible(issuer)
    )
}

fn expired(claims: &Claims, now: Timestamp) -> Option<String> {
    let ago = in_seconds(now.duration_since(claims.expires_at?));
    Some(format!(
        "it expired {ago:#} ago, more than `leeway-seconds`: log in again, and compare the clocks if it is new"
    ))
}

fn not_yet_valid(claims: &Claims, now: Timestamp) -> Option<String> {
    let ahead = in_seconds(claims.not_before?.duration_since(now));
    Some(format!(
        "it begins in {ahead:#}, more than `leeway-seconds`: the clock of this machine or of the issuer is wrong"
    ))
}

fn with_issuer(
    refusal: Refusal,
    claims: &Claims,
    users: &Users,
    named: Named<'_>,
) -> Option<String> {
    Some(match refusal {
        Refusal::AlgorithmNotAllowed => format!(
            "it is signed by {}, and `algorithms` of the issuer has {}",
            claims.algorithm, named.issuer.algorithms
        ),
        Refusal::UnknownKey => unknown_key(claims, users, named),
        Refusal::AlgorithmOfAnotherKey => format!(
            "it is signed by {}, and the key with its `kid` is for others: the issuer's keys are of \
             another time or environment",
            claims.algorithm
        ),
        Refusal::BadSignature => format!(
            "it was changed or cut, or {} are of another environment that uses the same `kid`",
            keys_of(users, named)
        ),
        Refusal::NoAudience | Refusal::OtherAudience | Refusal::AudienceNotText => {
            audience(claims, &named.issuer.audience)
        }
        Refusal::Id(_) => format!(
            "the setting `id` is `{}`: point it to a claim that names the user",
            named.issuer.mapping.id
        ),
        _ => return None,
    })
}

fn unknown_key(claims: &Claims, users: &Users, named: Named<'_>) -> String {
    let ids: Vec<_> = named.keys.ids().map(id).collect();
    let mut fix = format!(
        "it names {}, and {} have {}: the issuer has replaced that key, or they are of another environment",
        id(claims.key_id.as_deref()),
        keys_of(users, named),
        ids.join(", "),
    );
    for ignored in named.ignored {
        fix.push_str("; ");
        fix.push_str(&ignored.to_string());
    }
    fix
}

fn id(id: Option<&str>) -> String {
    id.map_or_else(
        || "no kid".to_owned(),
        |id| format!("kid `{}`", visible(id)),
    )
}

/// Where the keys of an issuer come from.
fn keys_of(users: &Users, named: Named<'_>) -> String {
    let mut all = users.jwt.iter();
    match all
        .find(|jwt| jwt.issuer == *named.issuer)
        .map(|it| &it.keys)
    {
        Some(KeySource::Url { url, .. }) => format!("the keys at {url}"),
        Some(KeySource::File(path) | KeySource::Secret(path)) => {
            format!("the keys in {}", path.display())
        }
        None => "the issuer's keys".to_owned(),
    }
}

fn audience(claims: &Claims, accepted: &Audience) -> String {
    let quoted = |names: &[String]| {
        let names = names.iter().map(|name| format!("`{}`", visible(name)));
        names.collect::<Vec<_>>().join(", ")
    };
    let accepted = match accepted {
        Audience::AnyOf(names) => quoted(names),
        Audience::Any => "`any`".to_owned(),
    };
    if claims.audience.is_empty() {
        return format!("have the issuer name one of `audience` in `aud`: {accepted}");
    }
    format!(
        "it is for {}, and `audience` of the issuer has {accepted}: use a token for this service, or add \
         its audience to the setting",
        quoted(&claims.audience)
    )
}
