//! The path of a request in this process, a step at a time and as a whole, with the allocations of each.
//!
//! `cargo bench --bench request`. The store is the one in memory, so all that is measured is what stickless itself does.
//! One connection and one thread: whoever wants to know what a server takes, asks the bench `load`.

use std::convert::Infallible;
use std::future::Future;
use std::task::{Context, Poll, Waker};

use divan::{AllocProfiler, Bencher, black_box};
use http::header::{COOKIE, HOST, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response};
use stickless::store::{Act, Apply, Budget, Create, Intent, MemoryStore, Store, Write, WriteId};
use stickless::testing::parts;
use stickless::{Error, KeyRing, LazySession, SessionLayer};
use tower::{Layer, Service};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

fn ring() -> KeyRing {
    KeyRing::from_keys(&[[7; 32]]).expect("a key")
}

/// Nothing here ever waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store in memory answers at once"),
    }
}

mod token {
    use super::{Bencher, black_box, parts, ring};

    #[divan::bench]
    fn sign(bencher: Bencher<'_, '_>) {
        let ring = ring();
        bencher.bench(|| parts::sign(black_box(&ring), "sid"));
    }

    #[divan::bench]
    fn verify(bencher: Bencher<'_, '_>) {
        let ring = ring();
        let value = parts::sign(&ring, "sid");
        bencher.bench(|| assert!(parts::verify(black_box(&ring), "sid", value.as_bytes())));
    }

    #[divan::bench]
    fn refuse(bencher: Bencher<'_, '_>) {
        let ring = ring();
        let value = format!("{}A", &parts::sign(&ring, "sid")[..75]);
        bencher.bench(|| parts::verify(black_box(&ring), "sid", value.as_bytes()));
    }
}

/// Ours is the last of 31 cookies.
#[divan::bench]
fn cookie_among_30(bencher: Bencher<'_, '_>) {
    let ring = ring();
    let ours = format!("sid={}", parts::sign(&ring, "sid"));
    let others = (0..30).map(|number| format!("cookie-{number}=value-{number}"));
    let headers = cookies(&others.chain([ours]).collect::<Vec<_>>().join("; "));
    bencher.bench(|| assert_eq!(parts::find(black_box(&headers), "sid", &ring), 1));
}

fn cookies(text: &str) -> HeaderMap {
    let value = HeaderValue::from_str(text).expect("a header value");
    HeaderMap::from_iter([(COOKIE, value)])
}

/// What a store decides about a write, as the scripts do in Redis.
mod decision {
    use super::{Act, Apply, Bencher, Budget, Create, Intent, MemoryStore, Store, Write, WriteId, now};
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3600);

    fn write(id: WriteId, act: Act) -> Write {
        Write { handle: "47DEQpj8HBSa-_TImW-5JA".parse().expect("a handle"), generation: 1, id, act }
    }

    fn store() -> MemoryStore {
        let store = MemoryStore::new();
        let data = [("n".to_owned(), "1".to_owned()), ("cart".to_owned(), "x".repeat(400))].into();
        let create = Create {
            user: None,
            membership: None,
            idle: (HOUR, false),
            absolute: None,
            seen: stickless::store::Sighting::default(),
            data,
        };
        let create = write(WriteId::default(), Act::Create(create));
        now(store.apply(&create, &Budget::default())).expect("room");
        store
    }

    #[divan::bench]
    fn add(bencher: Bencher<'_, '_>) {
        let (store, budget) = (store(), Budget::default());
        let add = Some(stickless::store::Add { key: "n".to_owned(), by: 1 });
        let delta = stickless::store::Delta::default();
        let apply = Apply { delta, add, expect: None, intent: Intent::Keep, limits: stickless::Limits::default() };
        bencher
            .with_inputs(|| write(WriteId::random().expect("random numbers"), Act::Apply(apply.clone())))
            .bench_values(|write| now(store.apply(&write, &budget)));
    }

    #[divan::bench]
    fn slide(bencher: Bencher<'_, '_>) {
        let (store, budget) = (store(), Budget::default());
        let slide = write(WriteId::default(), Act::Slide { within: HOUR, seen: None });
        bencher.bench(|| now(store.apply(&slide, &budget)));
    }
}

/// A whole request through the layer.
mod request {
    use super::{
        Bencher, COOKIE, Error, HOST, HeaderValue, Infallible, Layer, LazySession, MemoryStore, Request, Response,
        SET_COOKIE, Service, SessionLayer, USER_AGENT, now, ring,
    };

    /// What the handler does.
    #[derive(Clone, Copy)]
    enum Act {
        Nothing,
        Read,
        Set,
        Add,
    }

    async fn handle(act: Act, request: Request<()>) -> Result<Response<()>, Infallible> {
        let acted = async {
            if matches!(act, Act::Nothing) {
                return Ok::<_, Error>(());
            }
            let session = LazySession::of(&request)?.load().await?;
            match act {
                Act::Nothing => {}
                Act::Read => assert_eq!(session.get::<String>("theme")?.as_deref(), Some("dark")),
                Act::Set => session.set("theme", "dark")?,
                Act::Add => drop(session.incr("n", 1).await?),
            }
            Ok(())
        };
        acted.await.expect("the store in memory answers");
        Ok(Response::new(()))
    }

    fn request(cookie: Option<&HeaderValue>) -> Request<()> {
        let request = Request::get("/").header(HOST, "example.org").header(USER_AGENT, "curl/8.5.0");
        let mut request = request.body(()).expect("a request");
        if let Some(cookie) = cookie {
            request.headers_mut().insert(COOKIE, cookie.clone());
        }
        request
    }

    #[derive(Clone, Copy)]
    enum Cookie {
        None,
        Forged,
        Live,
    }

    fn bench(bencher: Bencher<'_, '_>, act: Act, cookie: Cookie) {
        let layer = SessionLayer::new(MemoryStore::new(), ring()).expect("possible");
        let mut first = layer.layer(tower::service_fn(|request| handle(Act::Set, request)));
        let set = now(first.call(request(None))).expect("infallible");
        let text = set.headers()[SET_COOKIE].to_str().expect("ASCII");
        let pair = text.split(';').next().unwrap_or_default().to_owned();
        let cookie = match cookie {
            Cookie::None => None,
            Cookie::Forged => Some(format!("{}A", &pair[..pair.len() - 1])),
            Cookie::Live => Some(pair),
        };
        let cookie = cookie.map(|pair| HeaderValue::from_str(&pair).expect("ASCII"));
        let mut service = layer.layer(tower::service_fn(move |request| handle(act, request)));
        bencher.with_inputs(|| request(cookie.as_ref())).bench_local_values(|request| now(service.call(request)));
    }

    #[divan::bench]
    fn no_cookie(bencher: Bencher<'_, '_>) {
        bench(bencher, Act::Nothing, Cookie::None);
    }

    #[divan::bench]
    fn forged(bencher: Bencher<'_, '_>) {
        bench(bencher, Act::Nothing, Cookie::Forged);
    }

    #[divan::bench]
    fn unused(bencher: Bencher<'_, '_>) {
        bench(bencher, Act::Nothing, Cookie::Live);
    }

    #[divan::bench]
    fn read(bencher: Bencher<'_, '_>) {
        bench(bencher, Act::Read, Cookie::Live);
    }

    #[divan::bench]
    fn modified(bencher: Bencher<'_, '_>) {
        bench(bencher, Act::Set, Cookie::Live);
    }

    #[divan::bench]
    fn added(bencher: Bencher<'_, '_>) {
        bench(bencher, Act::Add, Cookie::Live);
    }

    #[divan::bench]
    fn new(bencher: Bencher<'_, '_>) {
        bench(bencher, Act::Set, Cookie::None);
    }
}
