//! Calls a userinfo service for the user of a request.

mod key_names;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared, WeakShared},
};
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, AUTHORIZATION, COOKIE},
};
use jiff::Timestamp;
use keygate_headers::cookies;
use keygate_users::{
    Found, Unverified,
    settings::{Url, Userinfo},
    userinfo::{InvalidResponse, Login, NobodyReason, read},
};
use quick_cache::{Weighter, sync::Cache};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{
    Client, FetchError,
    client::{InvalidClient, Limits},
};
pub use key_names::KeyNames;

/// The longest response that is read, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// How many lookups run at once, on one server.
const MOST_AT_ONCE: usize = 64;

/// How many lookups run or wait, for one server; more than that would not be done in time anyway.
const MOST_WAITING: usize = 1024;

/// How many users are kept.
const MOST_KEPT: usize = 10_000;

/// How much is kept of them, in bytes of responses: each other value of a sent header keeps the caller's
/// user once more.
const MOST_KEPT_BYTES: u64 = 16 * 1024 * 1024;

/// A userinfo service.
pub struct UserinfoClient {
    service: Arc<Service>,
    kept: Option<Cache<Digest, Kept, ByLength>>,
}

struct Service {
    settings: Userinfo,
    keys: KeyNames,
    server: Server,
    /// The back office's, where its URL is on another server.
    backoffice: Option<Server>,
}

/// A server, with limits of its own: while one hangs, the users of the other are looked up.
struct Server {
    client: Client,
    at_once: Semaphore,
    running: Mutex<HashMap<Digest, WeakShared<LookUp>>>,
}

/// Why the user is not known (`user-unavailable`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LookUpError {
    /// No response came.
    #[error("userinfo service: {0}")]
    NoResponse(#[from] FetchError),
    /// There are too many lookups.
    #[error("the userinfo service is too slow: {MOST_WAITING} lookups are waiting for it")]
    Busy,
    /// The response says nothing.
    #[error(transparent)]
    Response(#[from] InvalidResponse),
}

type Digest = [u8; 32];
type LoginResult = Result<Login, LookUpError>;
type LookUp = BoxFuture<'static, Result<LookedUp, LookUpError>>;

/// What the service said, and how long its response was.
#[derive(Clone)]
struct LookedUp {
    login: Login,
    bytes: usize,
}

#[derive(Clone)]
struct Kept {
    found: Found,
    until: Instant,
    bytes: usize,
}

#[derive(Clone)]
struct ByLength;

impl Weighter<Digest, Kept> for ByLength {
    /// No less than an equal share, so that no more than [`MOST_KEPT`] are kept.
    fn weight(&self, _: &Digest, kept: &Kept) -> u64 {
        let share = MOST_KEPT_BYTES.div_ceil(MOST_KEPT as u64);
        u64::try_from(kept.bytes).unwrap_or(u64::MAX).max(share)
    }
}

impl UserinfoClient {
    /// A service of these settings, whose certificate is verified by a CA in PEM where one is given.
    ///
    /// # Errors
    /// The client cannot be set up.
    pub fn new(
        settings: Userinfo,
        keys: KeyNames,
        ca: Option<&[u8]>,
    ) -> Result<Self, InvalidClient> {
        let kept = (settings.cache_seconds > 0)
            .then(|| Cache::with_weighter(MOST_KEPT, MOST_KEPT_BYTES, ByLength));
        let backoffice = (!settings.url.is_same_server(&settings.backoffice_url))
            .then(|| Server::new(&settings.backoffice_url, ca));
        Ok(Self {
            service: Arc::new(Service {
                server: Server::new(&settings.url, ca)?,
                backoffice: backoffice.transpose()?,
                settings,
                keys,
            }),
            kept,
        })
    }

    /// Returns the user that the service knows by these headers.
    ///
    /// Without a credential it is not called. Equal lookups at the same time are one.
    ///
    /// # Errors
    /// The service does not respond in time, or its response says nothing about the user.
    pub async fn find(
        &self,
        headers: &HeaderMap,
        is_backoffice: bool,
        now: Timestamp,
    ) -> LoginResult {
        let sent = self.service.sent(headers);
        let mut credentials = self.service.settings.only_with.iter();
        if !credentials.any(|name| sent.contains_key(name)) {
            return Ok(Login::Nobody(NobodyReason::NoCredential));
        }
        let digest = digest(&sent, is_backoffice);
        if let Some(found) = self.kept(&digest) {
            return Ok(Login::User(found));
        }
        let lifetime = self.lifetime(&sent, now);
        let look_up = self.look_up(digest, sent, is_backoffice);
        let LookedUp { login, bytes } = look_up.ok_or(LookUpError::Busy)?.await?;
        if let (Login::User(found), Some(lifetime)) = (&login, lifetime) {
            self.keep(digest, found, bytes, lifetime);
        }
        Ok(login)
    }

    /// Joins the lookup that runs for the same credentials, or starts one if there are not too many.
    fn look_up(
        &self,
        digest: Digest,
        sent: HeaderMap,
        is_backoffice: bool,
    ) -> Option<Shared<LookUp>> {
        let running = &self.service.server(is_backoffice).running;
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = running.get(&digest).and_then(WeakShared::upgrade);
        // One that has ended is somebody's who has not been woken yet: its result is of the past.
        if let Some(shared) = shared.filter(|shared| shared.peek().is_none()) {
            return Some(shared);
        }
        running.retain(|_, look_up| look_up.upgrade().is_some());
        if running.len() >= MOST_WAITING {
            return None;
        }
        let service = Arc::clone(&self.service);
        let look_up: LookUp = async move { service.call(sent, is_backoffice).await }.boxed();
        let shared = look_up.shared();
        if let Some(weak) = shared.downgrade() {
            running.insert(digest, weak);
        }
        Some(shared)
    }

    fn kept(&self, digest: &Digest) -> Option<Found> {
        let kept = self.kept.as_ref()?.get(digest)?;
        (Instant::now() < kept.until).then_some(kept.found)
    }

    fn keep(&self, digest: Digest, found: &Found, bytes: usize, lifetime: Duration) {
        let until = Instant::now().checked_add(lifetime);
        if let (Some(kept), Some(until)) = (&self.kept, until) {
            let kept_user = Kept {
                found: found.clone(),
                until,
                bytes,
            };
            kept.insert(digest, kept_user);
        }
    }

    /// How long a user may be kept: never longer than a token that was sent is valid.
    fn lifetime(&self, sent: &HeaderMap, now: Timestamp) -> Option<Duration> {
        self.kept.as_ref()?;
        let longest = u64::from(self.service.settings.cache_seconds);
        let left = expiries(sent)
            .map(|expiry| u64::try_from(expiry.saturating_sub(now.as_second())).unwrap_or(0))
            .min();
        let seconds = left.map_or(longest, |left| left.min(longest));
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }
}

impl Server {
    fn new(url: &Url, ca: Option<&[u8]>) -> Result<Self, InvalidClient> {
        Ok(Self {
            client: Client::new(url, ca)?,
            at_once: Semaphore::new(MOST_AT_ONCE),
            running: Mutex::default(),
        })
    }
}

impl Service {
    fn server(&self, is_backoffice: bool) -> &Server {
        let backoffice = self.backoffice.as_ref().filter(|_| is_backoffice);
        backoffice.unwrap_or(&self.server)
    }

    fn sent(&self, headers: &HeaderMap) -> HeaderMap {
        let mut sent = HeaderMap::new();
        for name in &self.settings.headers {
            // A name may be set twice, and its lines are sent once.
            if sent.contains_key(name) {
                continue;
            }
            for value in headers.get_all(name) {
                if let Some(value) = self.keys.removed_from(name, value) {
                    sent.append(name, value);
                }
            }
        }
        sent
    }

    /// Waiting for others counts as time.
    async fn call(
        &self,
        mut sent: HeaderMap,
        is_backoffice: bool,
    ) -> Result<LookedUp, LookUpError> {
        let time = Duration::from_millis(self.settings.timeout_ms.into());
        if !sent.contains_key(ACCEPT) {
            sent.insert(ACCEPT, HeaderValue::from_static("application/json"));
        }
        let limits = Limits {
            time,
            body: MOST_BYTES,
        };
        let url = if is_backoffice {
            &self.settings.backoffice_url
        } else {
            &self.settings.url
        };
        let server = self.server(is_backoffice);
        let exchange = async {
            // The semaphore is never closed.
            let _permit = server.at_once.acquire().await;
            server.client.get(url, sent, limits).await
        };
        let response = timeout(time, exchange)
            .await
            .unwrap_or(Err(FetchError::TimedOut(time)))?;
        let status = response.status.as_u16();
        Ok(LookedUp {
            login: read(status, &response.body, &self.settings.mapping)?,
            bytes: response.body.len(),
        })
    }
}

/// The digest of what is sent, and where to; lengths keep the parts apart.
fn digest(sent: &HeaderMap, is_backoffice: bool) -> Digest {
    let mut hash = Sha256::new();
    hash.update([u8::from(is_backoffice)]);
    let mut part = |bytes: &[u8]| {
        hash.update(bytes.len().to_be_bytes());
        hash.update(bytes);
    };
    for (name, value) in sent {
        part(name.as_str().as_bytes());
        part(value.as_bytes());
    }
    hash.finalize().into()
}

/// The expiries of the tokens that are sent, as these claim them.
fn expiries(sent: &HeaderMap) -> impl Iterator<Item = i64> {
    let last_word = |value: &HeaderValue| {
        let words = value.as_bytes().rsplit(|byte| *byte == b' ').next();
        words.and_then(expiry)
    };
    let in_header = sent.get_all(AUTHORIZATION).iter().filter_map(last_word);
    let in_cookies = sent
        .get_all(COOKIE)
        .iter()
        .flat_map(|line| cookies(line.as_bytes()))
        .filter_map(|(_, value)| expiry(value));
    in_header.chain(in_cookies)
}

fn expiry(token: &[u8]) -> Option<i64> {
    Unverified::parse(token).ok()?.claimed_expiry()
}

/// It shows neither users nor credentials.
impl fmt::Debug for UserinfoClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserinfoClient({})", self.service.settings.url)
    }
}
