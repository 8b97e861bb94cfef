//! The spy: a store that writes down what it is asked; and a visitor: a client of one service on it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use stickless::store::roster::{self, Name};
use stickless::store::{
    Act, Apply, Budget, Change, Delta, Endings, Intent, Loaded, MemoryStore, Outcome, Roster, Store, Timestamp, Write,
    WriteId,
};
use stickless::{Error, Handle, KeyRing, LazySession, Limits, Reason, SessionLayer, Unavailable, UnavailableKind};
use tower::{Layer as _, Service as _};

/// A memory store with a log of operations, a clock that the test turns, and a switch.
#[derive(Clone)]
pub(super) struct Spy {
    pub(super) store: MemoryStore,
    pub(super) seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
pub(super) struct Seen {
    pub(super) log: Vec<&'static str>,
    pub(super) clock: u64,
    pub(super) down: bool,
    /// Writes are never answered.
    pub(super) hangs: bool,
}

impl Spy {
    pub(super) fn new() -> Self {
        let seen = Arc::new(Mutex::new(Seen { clock: 1_000_000_000_000, ..Seen::default() }));
        let clock = seen.clone();
        let now = move || Timestamp::from_millis(clock.lock().unwrap_or_else(PoisonError::into_inner).clock);
        Self { store: MemoryStore::builder().clock(now).build(), seen }
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn operations(&self) -> Vec<&'static str> {
        self.look(|seen| std::mem::take(&mut seen.log))
    }

    pub(super) fn wait(&self, time: Duration) {
        self.look(|seen| seen.clock += u64::try_from(time.as_millis()).expect("a short time"));
    }

    /// Another instance stores this many bytes in a record.
    pub(super) async fn fill(&self, handle: Handle, generation: u32, bytes: usize) {
        let changes = [("fill".to_owned(), Change::Set(format!("\"{}\"", "x".repeat(bytes))))].into();
        let delta = Delta { changes, ..Delta::default() };
        let act = Act::Apply(Apply { delta, add: None, expect: None, intent: Intent::Keep, limits: Limits::default() });
        let write = Write { handle, generation, id: WriteId::random().expect("random numbers"), act };
        let outcome = Store::apply(&self.store, &write, &Budget::default()).await;
        assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
    }

    fn note(&self, operation: &'static str) -> Result<(), Unavailable> {
        self.look(|seen| {
            seen.log.push(operation);
            if seen.down { Err(UnavailableKind::Disconnected.into()) } else { Ok(()) }
        })
    }
}

impl Store for Spy {
    async fn load(&self, handles: &[Handle], budget: &Budget) -> Result<Vec<Loaded>, Unavailable> {
        self.note("load")?;
        Store::load(&self.store, handles, budget).await
    }

    async fn apply(&self, write: &Write, budget: &Budget) -> Result<Outcome, Unavailable> {
        self.note(match &write.act {
            Act::Create(_) => "create",
            Act::Slide { .. } => "slide",
            Act::Destroy => "destroy",
            Act::Bury => "bury",
            Act::End { .. } => "end",
            Act::Place(_) => "place",
            Act::Apply(apply) => match &apply.intent {
                Intent::LogIn { .. } => "log-in",
                Intent::Rotate => "rotate",
                Intent::Keep => "apply",
            },
        })?;
        if self.look(|seen| seen.hangs) {
            std::future::pending::<()>().await;
        }
        Store::apply(&self.store, write, budget).await
    }

    fn now(&self) -> Timestamp {
        Store::now(&self.store)
    }

    async fn ping(&self, budget: &Budget) -> Result<(), Unavailable> {
        Store::ping(&self.store, budget).await
    }
}

impl Roster for Spy {
    async fn enrol(&self, name: Name, act: &roster::Act, budget: &Budget) -> Result<roster::Outcome, Unavailable> {
        self.note(match act {
            roster::Act::Reserve { .. } => "reserve",
            roster::Act::Confirm { .. } => "confirm",
            roster::Act::Withdraw(_) => "withdraw",
            roster::Act::Touch { .. } => "touch",
            roster::Act::Leave(_) => "leave",
            roster::Act::Everywhere { .. } => "everywhere",
            roster::Act::List => "list",
        })?;
        Roster::enrol(&self.store, name, act, budget).await
    }

    async fn announce(&self, handles: &[Handle], reason: Reason, budget: &Budget) -> Result<(), Unavailable> {
        Roster::announce(&self.store, handles, reason, budget).await
    }

    fn endings(&self) -> Endings {
        Roster::endings(&self.store)
    }
}

/// A client of one service, with its cookie.
pub(super) struct Visitor {
    pub(super) spy: Spy,
    pub(super) layer: SessionLayer,
    pub(super) cookie: Option<String>,
}

pub(super) fn layer(spy: &Spy, keys: &[u8]) -> SessionLayer {
    let keys: Vec<[u8; 32]> = keys.iter().map(|byte| [*byte; 32]).collect();
    let keys = KeyRing::from_keys(&keys).expect("32 bytes each");
    let limits = Limits { record: 1000, ..Limits::default() };
    let layer = SessionLayer::builder(spy.clone(), keys).idle(Duration::from_secs(100)).limits(limits);
    layer.cookie_domain("example.org".to_owned()).build().expect("possible")
}

pub(super) type Reply = Response<String>;

impl Visitor {
    pub(super) fn new() -> Self {
        Self::with_keys(&[7])
    }

    /// Each byte makes a key; the first signs.
    pub(super) fn with_keys(keys: &[u8]) -> Self {
        let spy = Spy::new();
        let layer = layer(&spy, keys);
        Self { spy, layer, cookie: None }
    }

    /// One request: its answer and the store's operations. The cookie is kept, as a browser would.
    pub(super) async fn visit<F>(&mut self, handler: F) -> (Reply, Vec<&'static str>)
    where
        F: AsyncFn(LazySession) -> Result<StatusCode, Error> + Clone + Send + 'static,
    {
        let reply = self.send(self.cookie.clone(), handler).await;
        for cookie in reply.headers().get_all("set-cookie") {
            let text = cookie.to_str().expect("ASCII");
            let pair = text.split(';').next().unwrap_or_default();
            self.cookie = (!text.contains("Max-Age=0")).then(|| pair.to_owned());
        }
        // A slide runs beside the handler.
        tokio::task::yield_now().await;
        (reply, self.spy.operations())
    }

    pub(super) async fn send<F>(&self, cookie: Option<String>, handler: F) -> Reply
    where
        F: AsyncFn(LazySession) -> Result<StatusCode, Error> + Clone + Send + 'static,
    {
        let inner = tower::service_fn(move |request: Request<()>| {
            let handler = handler.clone();
            async move {
                let session = LazySession::of(&request).expect("inside the layer");
                let status = handler(session).await.unwrap_or_else(|error| error.status());
                Ok::<_, std::convert::Infallible>(
                    Response::builder().status(status).body(String::new()).expect("valid"),
                )
            }
        });
        let mut request = Request::get("/").body(()).expect("valid");
        if let Some(cookie) = cookie {
            request.headers_mut().insert("cookie", cookie.parse().expect("valid"));
        }
        self.layer.layer(inner).call(request).await.expect("infallible")
    }
}
