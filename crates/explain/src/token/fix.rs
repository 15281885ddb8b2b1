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
            "pass a signed token (header.claims.signature); services send any other token to the \
             userinfo service, which this command does not call"
        }
        Refusal::NotThreeParts
        | Refusal::EmptyPart(_)
        | Refusal::NotBase64(_)
        | Refusal::Header(_)
        | Refusal::Claims(_) => {
            "pass the whole token exactly as the issuer made it (header.claims.signature), with \
             nothing around it"
        }
        Refusal::TooLong => {
            "configure the issuer to leave out claims, such as groups that no \
                             policy uses"
        }
        Refusal::NoAlgorithm | Refusal::UnknownAlgorithm => {
            "configure the issuer to sign with RS256, ES256 or another algorithm that the setting \
             `algorithms` allows"
        }
        Refusal::OtherType => {
            "use an access token or an ID token, because logout tokens and proofs do not log \
             anybody in"
        }
        Refusal::NoExpiry | Refusal::NotATime(_) => {
            "configure the issuer to set `exp` (and `nbf` and `iat`, if present) to whole seconds \
             since 1970"
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
        "the token's issuer is `{}`, but `users.jwt` has {known}: the names must be equal, \
         including a slash at the end",
        visible(issuer)
    )
}

fn expired(claims: &Claims, now: Timestamp) -> Option<String> {
    let ago = in_seconds(now.duration_since(claims.expires_at?));
    Some(format!(
        "the token expired {ago:#} ago, which is more than `leeway-seconds`: log in again; if the \
         token is new, compare the clocks"
    ))
}

fn not_yet_valid(claims: &Claims, now: Timestamp) -> Option<String> {
    let ahead = in_seconds(claims.not_before?.duration_since(now));
    Some(format!(
        "the token becomes valid in {ahead:#}, which is more than `leeway-seconds`: the clock of \
         this machine or of the issuer is wrong"
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
            "the token is signed with {}, but the issuer's `algorithms` are {}",
            claims.algorithm, named.issuer.algorithms
        ),
        Refusal::UnknownKey => unknown_key(claims, users, named),
        Refusal::AlgorithmOfAnotherKey => format!(
            "the token is signed with {}, but the key with its `kid` is for other algorithms: the \
             issuer's keys are outdated or from another environment",
            claims.algorithm
        ),
        Refusal::BadSignature => format!(
            "the token was changed or truncated, or {} are from another environment that uses the \
             same `kid`",
            keys_of(users, named)
        ),
        Refusal::NoAudience | Refusal::OtherAudience | Refusal::AudienceNotText => {
            audience(claims, &named.issuer.audience)
        }
        Refusal::Id(_) => format!(
            "the setting `id` is `{}`: point it to a claim that identifies the user",
            named.issuer.mapping.id
        ),
        _ => return None,
    })
}

fn unknown_key(claims: &Claims, users: &Users, named: Named<'_>) -> String {
    let ids: Vec<_> = named.keys.ids().map(id).collect();
    let mut fix = format!(
        "the token names {}, but {} have {}: the issuer has replaced that key, or the keys are \
         from another environment",
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
        return format!(
            "configure the issuer to put one of the accepted audiences in `aud`: \
                        {accepted}"
        );
    }
    format!(
        "the token is for {}, but the issuer's `audience` is {accepted}: use a token for this \
         service, or add the token's audience to the setting",
        quoted(&claims.audience)
    )
}
