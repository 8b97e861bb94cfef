//! A store that others may use between any two of its calls, and browsers that visit instances on it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use tower::{Layer as _, Service as _};

use crate::error::{Error, Unavailable};
use crate::id::Handle;
use crate::store::roster::{self, Name, Roster};
use crate::store::{Budget, Endings, Loaded, MemoryStore, Outcome, Reason, Store, Timestamp, Write};
use crate::sync::{Places, stop};
use crate::{KeyRing, LazySession, SessionLayer};

/// A memory store whose clock is turned by hand.
#[derive(Clone)]
pub(super) struct Stage {
    store: MemoryStore,
    now: Arc<AtomicU64>,
    pub(super) loads: Arc<AtomicUsize>,
}

impl Stage {
    pub(super) fn new() -> Self {
        let now = Arc::new(AtomicU64::new(1_600_000_000_000));
        let clock = now.clone();
        let clock = move || Timestamp::from_millis(clock.load(Ordering::Relaxed));
        Self { store: MemoryStore::builder().clock(clock).build(), now, loads: Arc::default() }
    }

    pub(super) fn pass(&self, time: Duration) {
        self.now.fetch_add(u64::try_from(time.as_millis()).expect("short"), Ordering::Relaxed);
    }

    /// How many sessions there are.
    pub(super) fn len(&self) -> usize {
        self.store.len()
    }

    /// An instance on it.
    pub(super) fn instance(&self) -> SessionLayer {
        let keys = KeyRing::from_keys(&[[7; 32]]).expect("32 bytes");
        SessionLayer::builder(self.clone(), keys).drift(false).build().expect("possible")
    }
}

impl Store for Stage {
    async fn load(&self, handles: &[Handle], budget: &Budget) -> Result<Vec<Loaded>, Unavailable> {
        stop(Places::Calls);
        self.loads.fetch_add(1, Ordering::Relaxed);
        Store::load(&self.store, handles, budget).await
    }

    async fn apply(&self, write: &Write, budget: &Budget) -> Result<Outcome, Unavailable> {
        stop(Places::Calls);
        Store::apply(&self.store, write, budget).await
    }

    fn now(&self) -> Timestamp {
        Store::now(&self.store)
    }

    async fn ping(&self, budget: &Budget) -> Result<(), Unavailable> {
        Store::ping(&self.store, budget).await
    }
}

impl Roster for Stage {
    async fn enrol(&self, name: Name, act: &roster::Act, budget: &Budget) -> Result<roster::Outcome, Unavailable> {
        stop(Places::Calls);
        Roster::enrol(&self.store, name, act, budget).await
    }

    async fn announce(&self, handles: &[Handle], reason: Reason, budget: &Budget) -> Result<(), Unavailable> {
        Roster::announce(&self.store, handles, reason, budget).await
    }

    fn endings(&self) -> Endings {
        Roster::endings(&self.store)
    }
}

/// A browser: its cookie, and whether it was told that its user is logged in.
#[derive(Clone, Default)]
pub(super) struct Browser(Arc<Mutex<Jar>>);

#[derive(Clone, Default)]
pub(super) struct Jar {
    pub(super) cookie: Option<String>,
    pub(super) logged_in: bool,
}

impl Browser {
    pub(super) fn jar(&self) -> Jar {
        self.0.lock().expect("not poisoned").clone()
    }

    /// A request with the cookie that it has now; the answer is kept, as a browser would.
    pub(super) async fn visit<F>(&self, instance: &SessionLayer, handler: F) -> StatusCode
    where
        F: AsyncFn(LazySession) -> Result<StatusCode, Error> + Clone + Send + 'static,
    {
        let cookie = self.jar().cookie;
        self.visit_with(cookie, instance, handler).await
    }

    /// A request that set out with this cookie.
    pub(super) async fn visit_with<F>(&self, cookie: Option<String>, instance: &SessionLayer, handler: F) -> StatusCode
    where
        F: AsyncFn(LazySession) -> Result<StatusCode, Error> + Clone + Send + 'static,
    {
        let answer = send(instance, cookie, handler).await;
        let mut jar = self.0.lock().expect("not poisoned");
        for cookie in answer.headers().get_all("set-cookie") {
            let text = cookie.to_str().expect("ASCII");
            let pair = text.split(';').next().unwrap_or_default();
            jar.cookie = (!text.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        if let Some(user) = answer.headers().get("x-user") {
            jar.logged_in = user == "in";
        }
        answer.status()
    }
}

/// The answer to one request. A handler that logs in or out says so with its status: 202 is in, 205 is out.
async fn send<F>(instance: &SessionLayer, cookie: Option<String>, handler: F) -> Response<String>
where
    F: AsyncFn(LazySession) -> Result<StatusCode, Error> + Clone + Send + 'static,
{
    let inner = tower::service_fn(move |request: Request<()>| {
        let handler = handler.clone();
        async move {
            let session = LazySession::of(&request).expect("inside the layer");
            let status = handler(session).await.unwrap_or_else(|error| error.status());
            let mut answer = Response::new(String::new());
            *answer.status_mut() = status;
            let user = [(StatusCode::ACCEPTED, "in"), (StatusCode::RESET_CONTENT, "out")];
            if let Some((_, user)) = user.into_iter().find(|(of, _)| *of == status) {
                answer.headers_mut().insert("x-user", user.parse().expect("valid"));
            }
            Ok::<_, std::convert::Infallible>(answer)
        }
    });
    let mut request = Request::get("/").body(()).expect("valid");
    if let Some(cookie) = cookie {
        request.headers_mut().insert("cookie", cookie.parse().expect("valid"));
    }
    instance.layer(inner).call(request).await.expect("infallible")
}
