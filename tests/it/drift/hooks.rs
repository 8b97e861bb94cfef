//! What the application is told, in a service of its own.

use std::sync::{Arc, Mutex, PoisonError};

use http::{Request, Response, StatusCode};
use stickless::store::MemoryStore;
use stickless::{Addresses, Distance, Drift, KeyRing, LazySession, Peer, SessionLayer, SessionLayerBuilder, What};
use tower::{Layer as _, ServiceExt as _, service_fn};

type Told = Arc<Mutex<Vec<Drift>>>;

fn builder() -> (SessionLayerBuilder<MemoryStore>, Told) {
    let told = Told::default();
    let heard = told.clone();
    let builder = SessionLayer::builder(MemoryStore::new(), KeyRing::random().expect("random numbers"));
    let builder = builder.on_drift(move |drift| {
        heard.lock().unwrap_or_else(PoisonError::into_inner).push(drift.clone());
    });
    (builder, told)
}

/// A client that sets a value on each visit, from these addresses in turn.
async fn visit(layer: &SessionLayer, addresses: &[&str]) {
    let mut cookie: Option<String> = None;
    for address in addresses {
        let service = layer.layer(service_fn(async |request: Request<()>| {
            let session = LazySession::of(&request).expect("a layer").load().await.expect("the store answers");
            session.set("k", &1).expect("staged");
            Ok::<_, std::convert::Infallible>(Response::new(()))
        }));
        let mut request = Request::get("/").header("user-agent", "curl/8.7.1");
        if let Some(cookie) = &cookie {
            request = request.header("cookie", cookie);
        }
        let mut request = request.body(()).expect("a request");
        request.extensions_mut().insert(Peer::Address(address.parse().expect("an address")));
        let response = service.oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), StatusCode::OK);
        if let Some(set) = response.headers().get("set-cookie") {
            let set = set.to_str().expect("ASCII");
            cookie = set.split(';').next().map(str::to_owned);
        }
        // What runs beside the request comes to its end.
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_application_is_told_of_each_change_once() {
    let (builder, told) = builder();
    visit(&builder.build().expect("possible"), &["192.0.2.1", "192.0.2.9", "192.0.2.9", "192.0.2.1"]).await;
    let told = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(told.len(), 1, "{told:#?}");
    assert_eq!((told[0].what, told[0].distance, told[0].times), (What::Address, Distance::SameNetwork, 1));
    assert_eq!((told[0].from.as_str(), told[0].to.as_str()), ("192.0.2.1", "192.0.2.9"));
}

#[tokio::test]
async fn truncated_addresses_change_with_their_network_only_and_unkept_ones_never() {
    let addresses = ["192.0.2.1", "192.0.2.9", "192.0.3.9", "2001:db8:1:2::3", "2001:db8:1:ffff::3"];
    let changes = async |kept| {
        let (builder, told) = builder();
        visit(&builder.keep_addresses(kept).build().expect("possible"), &addresses).await;
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().map(|drift| drift.to.clone()).collect::<Vec<_>>()
    };
    assert_eq!(changes(Addresses::Truncated).await, ["192.0.3.0/24", "2001:db8:1::/48"]);
    assert_eq!(changes(Addresses::Off).await, [""; 0]);
    assert_eq!(changes(Addresses::Whole).await.len(), 4);
}

#[tokio::test]
async fn an_application_that_panics_when_it_is_told_harms_no_request() {
    let builder = SessionLayer::builder(MemoryStore::new(), KeyRing::random().expect("random numbers"));
    let layer = builder.on_drift(|_| panic!("on purpose")).build().expect("possible");
    visit(&layer, &["192.0.2.1", "192.0.2.9", "192.0.2.77"]).await;
}
