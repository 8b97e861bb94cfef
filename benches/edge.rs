//! What the edge costs: `cargo bench --bench edge`. Times are of one request; the second table counts allocations.

use std::convert::Infallible;
use std::future::{Ready, ready};

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use http::{HeaderValue, Request, Response};
use stickless::store::MemoryStore;
use stickless::{Forwarding, KeyRing, Peer, SessionLayer, Trust};
use tower::util::ServiceFn;
use tower::{Layer as _, Service as _, service_fn};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

const PROXIES: &str = "127.0.0.1, 10.0.0.0/8, 172.16.0.0/12, 2001:db8::/32";

/// What a browser sends besides.
const BROWSER: [(&str, &str); 15] = [
    ("host", "app.example.com"),
    ("connection", "keep-alive"),
    ("sec-ch-ua", "\"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\""),
    ("sec-ch-ua-mobile", "?0"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("upgrade-insecure-requests", "1"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    ),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-user", "?1"),
    ("sec-fetch-dest", "document"),
    ("referer", "https://app.example.com/"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9"),
];

/// A request of a browser.
fn request(lines: &[(&'static str, String)]) -> Request<()> {
    let mut request = Request::new(());
    request.extensions_mut().insert(Peer::Address([127, 0, 0, 1].into()));
    for (name, value) in BROWSER {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in lines {
        request.headers_mut().append(*name, value.parse().expect("a value"));
    }
    request
}

/// As a chain of so many proxies sends it, with a claim of the client to the left.
fn forwarded_by(headers: Forwarding, hops: usize) -> Request<()> {
    let inner = (1..hops).map(|hop| format!("10.0.0.{}", hop % 250 + 1));
    let addresses: Vec<_> = ["6.6.6.6".into(), "203.0.113.7".into()].into_iter().chain(inner).collect();
    let more = [("x-forwarded-proto", "https".to_owned()), ("x-forwarded-host", "shop.example.org".to_owned())];
    match headers {
        Forwarding::Forwarded => {
            let elements = addresses.iter().map(|address| format!("for={address};proto=https;host=shop.example.org"));
            request(&[("forwarded", elements.collect::<Vec<_>>().join(", "))])
        }
        _ => request(&[&[("x-forwarded-for", addresses.join(", "))], &more[..]].concat()),
    }
}

#[divan::bench]
fn origin_of_a_peer_that_nobody_trusts(bencher: Bencher) {
    let (trust, request) = (Trust::Peer, forwarded_by(Forwarding::XForwardedFor, 3));
    bencher.bench_local(|| black_box(&trust).origin(black_box(&request)));
}

#[divan::bench(args = [1, 3, 8, 16, 32, 64])]
fn origin_from_x_forwarded_for(bencher: Bencher, hops: usize) {
    let trust = Trust::proxies(PROXIES, Forwarding::XForwardedFor).expect("ranges");
    let request = forwarded_by(Forwarding::XForwardedFor, hops);
    assert_eq!(trust.origin(&request).client, Some([203, 0, 113, 7].into()));
    bencher.counter(ItemsCount::new(hops)).bench_local(|| black_box(&trust).origin(black_box(&request)));
}

#[divan::bench(args = [1, 3, 8, 16, 32, 64])]
fn origin_from_forwarded(bencher: Bencher, hops: usize) {
    let trust = Trust::proxies(PROXIES, Forwarding::Forwarded).expect("ranges");
    let request = forwarded_by(Forwarding::Forwarded, hops);
    assert_eq!(trust.origin(&request).client, Some([203, 0, 113, 7].into()));
    bencher.counter(ItemsCount::new(hops)).bench_local(|| black_box(&trust).origin(black_box(&request)));
}

type Inner = ServiceFn<fn(Request<()>) -> Ready<Result<Response<()>, Infallible>>>;

/// The way of a request through the whole layer, with so many foreign cookies before one under our name. Without any
/// it is what the layer costs anyway; the difference is what finding costs.
fn through_the_layer(bencher: Bencher, cookies: usize, ours: Option<&str>) {
    let layer = SessionLayer::new(MemoryStore::new(), KeyRing::random().expect("a key")).expect("possible");
    let inner: Inner = service_fn(|_| ready(Ok(Response::new(()))));
    let mut service = layer.layer(inner);
    let foreign = (0..cookies).map(|number| format!("_ga_{number:02}=GS1.1.17{number:08}.1.1.0.0.0"));
    let ours = ours.map(|value| format!("sid={value}"));
    let line = foreign.chain(ours).collect::<Vec<_>>().join("; ");
    let lines = if line.is_empty() { vec![] } else { vec![("cookie", line)] };
    bencher.with_inputs(|| request(&lines)).bench_local_values(|request| drop(service.call(request)));
}

#[divan::bench]
fn a_request_without_cookies(bencher: Bencher) {
    through_the_layer(bencher, 0, None);
}

/// A value that cannot be a token is found, and not verified.
#[divan::bench(args = [0, 10, 30, 100])]
fn a_request_with_our_cookie_behind_others(bencher: Bencher, others: usize) {
    through_the_layer(bencher, others, Some("x"));
}

/// A forged one of the right length is verified too: this is what HMAC-SHA256 costs.
#[divan::bench(args = [0, 30])]
fn a_request_with_a_forged_cookie_behind_others(bencher: Bencher, others: usize) {
    let token = "AQ".to_owned() + &"A".repeat(74);
    through_the_layer(bencher, others, Some(&token));
}
