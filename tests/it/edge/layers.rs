//! Where the origin comes from, and where it goes: layers, extractors, peers.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::Router;
use axum::routing::get;
use http::{HeaderMap, Request, Response};
use stickless::store::MemoryStore;
use stickless::{Encrypted, Forwarding, KeyRing, Origin, OriginLayer, Peer, Ranges, SessionLayer, Trust};
use tokio::net::TcpListener;
use tower::{Layer, Service, service_fn};

use crate::harness::Client;
use crate::log::Log;

fn session_layer(trust: Trust, strip: bool) -> SessionLayer {
    let keys = KeyRing::random().expect("a key");
    SessionLayer::builder(MemoryStore::new(), keys).trust(trust).strip_unbelieved(strip).build().expect("possible")
}

fn request(peer: Option<Peer>, lines: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = Request::new(());
    peer.map(|peer| request.extensions_mut().insert(peer));
    for (name, value) in lines {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    request
}

/// What a service behind a layer sees.
async fn behind<L>(layer: &L, request: Request<()>) -> (Origin, HeaderMap)
where
    L: Layer<Inner>,
    L::Service: Service<Request<()>, Response = Response<Seen>, Error = Infallible>,
{
    let inner: Inner = service_fn(|request| {
        let seen = Seen(Some((Origin::of(&request), request.headers().clone())));
        std::future::ready(Ok(Response::new(seen)))
    });
    let response = layer.layer(inner).call(request).await.expect("infallible");
    response.into_body().0.expect("the service ran")
}

type Inner = tower::util::ServiceFn<fn(Request<()>) -> std::future::Ready<Result<Response<Seen>, Infallible>>>;

#[derive(Default)]
struct Seen(Option<(Origin, HeaderMap)>);

const SAYS: [(&str, &str); 6] = [
    ("x-forwarded-for", "6.6.6.6, 203.0.113.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "shop.example"),
    ("x-real-ip", "6.6.6.6"),
    ("forwarded", "for=6.6.6.6"),
    ("host", "app.example"),
];

/// A proxy on this machine.
const LOCAL: Option<Peer> = Some(Peer::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)));

#[tokio::test]
async fn both_layers_find_the_same_origin() {
    let trust = Trust::behind_nginx();
    let by_session = behind(&session_layer(trust.clone(), false), request(LOCAL, &SAYS)).await.0;
    let by_origin = behind(&OriginLayer::new(trust.clone()), request(LOCAL, &SAYS)).await.0;
    assert_eq!(by_session, by_origin);
    assert_eq!(by_origin, trust.origin(&request(LOCAL, &SAYS)));
    assert_eq!((by_origin.client, by_origin.scheme()), (Some([203, 0, 113, 7].into()), "https"));
    assert_eq!(by_origin.host.expect("a host").to_string(), "shop.example");
}

#[tokio::test]
async fn an_origin_that_stands_already_is_taken_as_it_is() {
    let nested = tower::ServiceBuilder::new()
        .layer(OriginLayer::new(Trust::behind_nginx()))
        .layer(session_layer(Trust::Peer, false));
    let nested = tower::layer::layer_fn(|inner| nested.service(inner));
    assert_eq!(behind(&nested, request(LOCAL, &SAYS)).await.0.client, Some([203, 0, 113, 7].into()));
    let mut given = request(LOCAL, &SAYS);
    let origin = Origin { client: Some([192, 0, 2, 1].into()), https: true, host: None };
    given.extensions_mut().insert(origin.clone());
    assert_eq!(behind(&session_layer(Trust::behind_nginx(), false), given).await.0, origin);
}

#[tokio::test]
async fn outside_all_layers_the_origin_is_the_connections() {
    let outside = Origin::of(&request(LOCAL, &SAYS));
    assert_eq!((outside.client, outside.https), (Some([127, 0, 0, 1].into()), false));
    assert_eq!(outside.host.as_deref(), Some("app.example"));
    let mut encrypted = request(LOCAL, &SAYS);
    encrypted.extensions_mut().insert(Encrypted);
    assert_eq!(Origin::of(&encrypted).scheme(), "https");
}

#[tokio::test]
async fn headers_that_are_not_believed_are_stripped_where_that_is_asked_for() {
    let names = |headers: &HeaderMap| {
        let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        names.join(" ")
    };
    let believed = |family| Trust::Proxies(Ranges::loopback(), family);
    let stranger = Some(Peer::Address([192, 0, 2, 9].into()));
    for (trust, peer, left) in [
        (believed(Forwarding::XForwardedFor), LOCAL, "host x-forwarded-for x-forwarded-host x-forwarded-proto"),
        (believed(Forwarding::XRealIp), LOCAL, "host x-forwarded-host x-forwarded-proto x-real-ip"),
        (believed(Forwarding::Forwarded), LOCAL, "forwarded host"),
        (believed(Forwarding::XForwardedFor), stranger, "host"),
        (Trust::Peer, LOCAL, "host"),
        (Trust::behind_ingress(), None, "host"),
    ] {
        let (origin, headers) = behind(&session_layer(trust.clone(), true), request(peer, &SAYS)).await;
        assert_eq!(names(&headers), left, "{trust:?}");
        let kept = behind(&session_layer(trust.clone(), false), request(peer, &SAYS)).await;
        assert_eq!((origin, kept.1.len()), (kept.0, SAYS.len()));
        let layer = OriginLayer::new(trust.clone()).strip_unbelieved(true);
        assert_eq!(names(&behind(&layer, request(peer, &SAYS)).await.1), left, "{trust:?}");
    }
}

#[tokio::test]
async fn of_a_list_only_what_is_believed_is_left() {
    let cut = async |family, name: &'static str, lines: &[&'static str]| {
        let layer =
            OriginLayer::new(Trust::Proxies(Ranges::loopback().and("10.0.0.0/8".parse().expect("a range")), family));
        let lines: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
        let (_, headers) = behind(&layer.strip_unbelieved(true), request(LOCAL, &lines)).await;
        let left = headers.get_all(name).iter().map(|line| line.to_str().expect("ASCII").to_owned());
        left.collect::<Vec<_>>().join(" | ")
    };
    let xff = async |lines: &[&'static str]| cut(Forwarding::XForwardedFor, "x-forwarded-for", lines).await;
    assert_eq!(xff(&["6.6.6.6, 203.0.113.7, 10.0.0.1"]).await, "203.0.113.7, 10.0.0.1");
    assert_eq!(
        xff(&["6.6.6.6", "6.6.6.7, 203.0.113.7 , 10.0.0.2", "10.0.0.1"]).await,
        "203.0.113.7 , 10.0.0.2 | 10.0.0.1"
    );
    assert_eq!(xff(&["6.6.6.6, unknown, 10.0.0.1"]).await, "10.0.0.1");
    assert_eq!(xff(&["6.6.6.6, unknown"]).await, "");
    assert_eq!(xff(&["10.0.0.2, 10.0.0.1"]).await, "10.0.0.2, 10.0.0.1");
    let forwarded = async |lines: &[&'static str]| cut(Forwarding::Forwarded, "forwarded", lines).await;
    assert_eq!(
        forwarded(&["for=6.6.6.6, for=203.0.113.7;by=\"a,b\", for=10.0.0.1"]).await,
        "for=203.0.113.7;by=\"a,b\", for=10.0.0.1"
    );
    assert_eq!(forwarded(&["for=6.6.6.6, for=_x;proto=https"]).await, "for=_x;proto=https");
    assert_eq!(forwarded(&["for=6.6.6.6, for=\""]).await, "");
    assert_eq!(forwarded(&["for=6.6.6.6", ""]).await, "");
    let real = async |lines: &[&'static str]| cut(Forwarding::XRealIp, "x-real-ip", lines).await;
    assert_eq!(real(&["6.6.6.6", "6.6.6.6, 203.0.113.7"]).await, "203.0.113.7");
    let proto = async |lines: &[&'static str]| cut(Forwarding::XForwardedFor, "x-forwarded-proto", lines).await;
    assert_eq!(proto(&["https, http"]).await, "http");
    assert_eq!(proto(&["https, nonsense"]).await, "");
}

#[tokio::test]
async fn a_unix_socket_is_trusted_by_choice_only() {
    let client = async |trust| behind(&OriginLayer::new(trust), request(Some(Peer::Unix), &SAYS)).await.0.client;
    let there = Some([203, 0, 113, 7].into());
    assert_eq!(client(Trust::Peer).await, None);
    assert_eq!(client(Trust::behind_nginx()).await, None);
    assert_eq!(client(Trust::proxies("0.0.0.0/0, ::/0", Forwarding::XForwardedFor).expect("ranges")).await, None);
    assert_eq!(client(Trust::Proxies(Ranges::default().and_unix(), Forwarding::XForwardedFor)).await, there);
    assert_eq!(client(Trust::behind_ingress()).await, there);
}

#[tokio::test]
async fn an_unknown_peer_is_trusted_by_nobody_and_that_is_said_once() {
    let (log, _guard) = Log::start();
    for trust in [Trust::behind_ingress(), Trust::proxies("0.0.0.0/0", Forwarding::Forwarded).expect("a range")] {
        let layer = session_layer(trust, false);
        let lines = log.lines("unknown_peer").len();
        for _ in 0..5 {
            let (origin, _) = behind(&layer, request(None, &SAYS)).await;
            assert_eq!((origin.client, origin.https, origin.host.as_deref()), (None, false, Some("app.example")));
        }
        assert_eq!(log.lines("unknown_peer").len(), lines + 1);
    }
    // Who believes nobody has no use for the peer.
    behind(&session_layer(Trust::Peer, false), request(None, &SAYS)).await;
    assert_eq!(log.lines("unknown_peer").len(), 2);
}

#[tokio::test]
async fn the_peer_that_axum_knows_is_known_without_more() {
    let show = async |origin: Origin| format!("{:?} {} {:?}", origin.client, origin.scheme(), origin.host.as_deref());
    let app = Router::new()
        .route("/bare", get(show))
        .merge(Router::new().route("/layered", get(show)).layer(OriginLayer::new(Trust::behind_nginx())));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let serving =
        tokio::spawn(
            async move { axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await },
        );
    let ask = async |path: &str| {
        let request = Client::new().get(format!("http://{address}{path}"));
        request.header("x-forwarded-for", "203.0.113.7").header("x-forwarded-proto", "https").send().await.text()
    };
    assert_eq!(ask("/bare").await, "Some(127.0.0.1) http Some(\"127.0.0.1\")");
    assert_eq!(ask("/layered").await, "Some(203.0.113.7) https Some(\"127.0.0.1\")");
    serving.abort();
}
