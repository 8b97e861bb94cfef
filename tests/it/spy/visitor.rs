//! A visitor: a client of one service on a store that writes down what it is asked.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use stickless::store::{Act, Apply, Budget, Change, Delta, Intent, Outcome, Store, Write, WriteId};
use stickless::testing::{Operation, TestStore};
use stickless::{Error, Handle, KeyRing, LazySession, Limits, SessionLayer};
use tower::{Layer as _, Service as _};

/// Another instance stores this many bytes in a record.
pub(super) async fn fill(store: &TestStore, handle: Handle, generation: u32, bytes: usize) {
    let changes = [("fill".to_owned(), Change::Set(format!("\"{}\"", "x".repeat(bytes))))].into();
    let delta = Delta { changes, ..Delta::default() };
    let act = Act::Apply(Apply { delta, add: None, expect: None, intent: Intent::Keep, limits: Limits::default() });
    let write = Write { handle, generation, id: WriteId::random().expect("random numbers"), act };
    let outcome = store.inner().apply(&write, &Budget::default()).await;
    assert!(matches!(outcome, Ok(Outcome::Done(_))), "{outcome:?}");
}

/// What a store was asked, in words.
pub(super) fn operations(store: &TestStore) -> Vec<&'static str> {
    store.operations().into_iter().map(Operation::as_str).collect()
}

/// A client of one service, with its cookie.
pub(super) struct Visitor {
    pub(super) spy: TestStore,
    pub(super) layer: SessionLayer,
    pub(super) cookie: Option<String>,
}

pub(super) fn layer(spy: &TestStore, keys: &[u8]) -> SessionLayer {
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
        let spy = TestStore::new();
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
        (reply, operations(&self.spy))
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
