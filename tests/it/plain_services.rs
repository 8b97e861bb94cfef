//! The layer without axum: around a plain tower service, and in a plain hyper server.

use std::process::Command;

use http::{Request, Response, StatusCode};
use stickless::store::MemoryStore;
use stickless::{KeyRing, LazySession, SessionLayer, UnavailableKind};
use tower::{Layer as _, Service as _, service_fn};

use crate::harness::{Browser, Process, binary};

#[tokio::test]
async fn the_layer_works_in_a_plain_hyper_service() {
    let program = binary("hyper_service").expect("built");
    let mut command = Command::new(program);
    command.env("LISTEN", "127.0.0.1:0");
    let server = Process::spawn_heard("hyper_service", &mut command).expect("started");
    let line = server.logged(0, "listening on ").await.expect("it listens");
    let url = line.split_once("listening on ").expect("the address").1.to_owned();

    let browser = Browser::new(url);
    for count in 1..=3 {
        let answer = browser.get("/count").send().await;
        assert_eq!((answer.status, answer.text()), (200, format!("{count}\n")));
        assert_eq!(answer.set_cookies().len(), usize::from(count == 1));
    }
    assert_eq!(browser.get("/").send().await.header("vary"), None, "a page that looks at no session");
    assert_eq!(browser.post("/logout").send().await.status, 204);
    assert_eq!(browser.cookie(), None);
    assert_eq!(browser.get("/count").send().await.text(), "1\n");
}

#[tokio::test]
async fn any_body_type_will_do_and_a_service_outside_the_layer_says_so() {
    let layer = SessionLayer::new(MemoryStore::new(), KeyRing::random().expect("a key")).expect("possible");
    let inner = service_fn(async |request: Request<u8>| {
        let session = LazySession::of(&request).expect("inside the layer").load().await.expect("a memory store");
        session.set("body", request.body()).expect("within the limits");
        Ok::<_, std::convert::Infallible>(Response::new(vec![*request.body()]))
    });
    let response = layer.layer(inner).call(Request::new(7)).await.expect("infallible");
    assert_eq!((response.status(), response.body().as_slice()), (StatusCode::OK, [7].as_slice()));
    assert!(response.headers().contains_key("set-cookie"));

    let outside = LazySession::of(&Request::new(())).expect_err("outside the layer");
    assert_eq!((outside.kind(), outside.status()), (UnavailableKind::Internal, StatusCode::INTERNAL_SERVER_ERROR));
}
