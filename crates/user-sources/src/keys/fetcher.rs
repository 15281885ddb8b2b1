//! The task that fetches the keys of one issuer.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use keygate_users::{
    KeySet,
    jwks::{Ignored, InvalidSet},
    settings::Url,
};
use tokio::time::{Instant, sleep_until};

use super::Keys;
use crate::{
    Client, FetchError,
    client::{Limits, Response},
};

/// The longest JWKS that is read, in bytes.
const MOST_BYTES: usize = 256 * 1024;

/// Fetches the keys of one issuer, again and again.
#[derive(Debug)]
pub struct Fetcher {
    keys: Arc<Keys>,
    url: Url,
    client: Client,
}

/// Why a fetch gave no keys. Those held before stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailure {
    /// There is no response.
    #[error(transparent)]
    NoResponse(#[from] FetchError),
    /// The response is not a success; a redirect is none.
    #[error("the server responded with {0}")]
    Status(u16),
    /// The body is no set with keys.
    #[error(transparent)]
    Set(#[from] InvalidSet),
}

impl Fetcher {
    pub(super) fn new(keys: Arc<Keys>, url: Url, client: Client) -> Self {
        Self { keys, url, client }
    }

    /// Fetches in a loop: at the start, before a set gets old, after failures, and when a request triggers it.
    pub async fn run(self) {
        let timing = self.keys.timing;
        let mut retry = timing.first_retry;
        loop {
            let started = Instant::now();
            self.begin(started);
            let fetched = self.fetch().await;
            let rest = if let Some(fresh) = self.end(fetched) {
                retry = timing.first_retry;
                // Before it gets old.
                fresh.mul_f64(0.8)
            } else {
                let rest = retry;
                retry = retry.saturating_mul(2).min(timing.longest_retry);
                rest
            };
            let next = Instant::now().checked_add(rest.mul_f64(jitter()));
            self.wait(next.unwrap_or(started), started).await;
        }
    }

    /// Fetches once, in place of [`Fetcher::run`], and returns the keys and those that are ignored.
    ///
    /// # Errors
    /// The source gave no keys.
    pub async fn once(self) -> Result<(KeySet, Vec<Ignored>), FetchFailure> {
        let (set, ignored, _) = self.fetch().await?;
        Ok((set, ignored))
    }

    /// Waits until the next try is due, or a request triggers one and the last one is old enough.
    async fn wait(&self, due: Instant, last: Instant) {
        let may_again = last.checked_add(self.keys.timing.cooldown).unwrap_or(last);
        loop {
            tokio::select! {
                () = sleep_until(due) => return,
                () = self.keys.wanted.notified() => {
                    if Instant::now() >= may_again {
                        return;
                    }
                }
            }
        }
    }

    fn begin(&self, started: Instant) {
        self.keys.with_attempt(|attempt| {
            attempt.started = Some(started);
            attempt.is_running = true;
            attempt.status.tries = attempt.status.tries.saturating_add(1);
        });
    }

    /// Takes the result of a fetch; returns for how long it is fresh.
    fn end(&self, fetched: Result<Fetched, FetchFailure>) -> Option<Duration> {
        let url = &self.url;
        let before = self.keys.status();
        let had_failed = before.failure.is_some();
        let fresh = match fetched {
            Ok((set, ignored, fresh)) => {
                if had_failed || before.keys.is_none() {
                    tracing::info!(%url, keys = set.count(), "fetched the keys of an issuer");
                }
                if before.ignored != ignored {
                    for key in &ignored {
                        tracing::warn!(%url, "{key}");
                    }
                }
                self.keys.replace(set, ignored);
                Some(fresh)
            }
            Err(failure) => {
                self.failed(&failure, had_failed);
                self.keys.with_attempt(|attempt| {
                    let status = &mut attempt.status;
                    status.failed_tries = status.failed_tries.saturating_add(1);
                    status.failure = Some(failure);
                });
                None
            }
        };
        self.keys.with_attempt(|attempt| attempt.is_running = false);
        self.keys
            .finished
            .send_modify(|count| *count = count.wrapping_add(1));
        fresh
    }

    /// Once for each outage: it may be long, and tries are many.
    fn failed(&self, failure: &FetchFailure, had_failed: bool) {
        let url = &self.url;
        if had_failed {
            tracing::debug!(%url, "the keys of an issuer cannot be fetched: {failure}");
        } else if self.keys.current().is_some() {
            tracing::warn!(%url, "the keys of an issuer cannot be fetched, so the last ones stay \
                                  in use: {failure}");
        } else {
            tracing::error!(%url, "the keys of an issuer cannot be fetched, so requests with its \
                                   tokens get 503: {failure}");
        }
    }

    async fn fetch(&self) -> Result<Fetched, FetchFailure> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/jwk-set+json, application/json"),
        );
        let limits = Limits {
            time: self.keys.timing.fetch,
            body: MOST_BYTES,
        };
        let response = self.client.get(&self.url, headers, limits).await?;
        if response.status != StatusCode::OK {
            return Err(FetchFailure::Status(response.status.as_u16()));
        }
        let (set, ignored) = KeySet::parse(&response.body)?;
        Ok((set, ignored, self.fresh(&response)))
    }

    fn fresh(&self, response: &Response) -> Duration {
        let (shortest, longest) = self.keys.timing.fresh;
        max_age(&response.headers)
            .unwrap_or(self.keys.timing.fresh_by_default)
            .clamp(shortest, longest)
    }
}

type Fetched = (KeySet, Vec<Ignored>, Duration);

/// `max-age` of `cache-control` (RFC 9111, section 5.2.2.1).
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|directive| directive.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
        .and_then(|(_, seconds)| seconds.trim_matches('"').parse().ok())
        .map(Duration::from_secs)
}

/// Between 0.8 and 1, so that replicas do not fetch at the same time.
fn jitter() -> f64 {
    let random = getrandom::u32().unwrap_or_default();
    1.0 - f64::from(random) / f64::from(u32::MAX) * 0.2
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], None)]
    #[case(&["no-store"], None)]
    #[case(&["public, max-age=600"], Some(600))]
    #[case(&["no-cache", "Max-Age=\"60\""], Some(60))]
    #[case(&["s-maxage=600"], None)]
    #[case(&["max-age=-1"], None)]
    #[case(&["max-age=soon"], None)]
    fn the_server_says_how_long_a_set_is_fresh(
        #[case] lines: &[&str],
        #[case] seconds: Option<u64>,
    ) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::CACHE_CONTROL, HeaderValue::from_str(line).unwrap());
        }
        assert_eq!(max_age(&headers), seconds.map(Duration::from_secs));
    }
}
