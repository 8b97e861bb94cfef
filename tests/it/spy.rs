//! The number and order of store calls for each kind of request.

mod overtaken;
mod rosters;
mod visitor;

use std::time::Duration;

use http::StatusCode;
use stickless::{Error, LazySession, Session};

use stickless::UnavailableKind;
use stickless::testing::TestStore;

use self::visitor::{Reply, Visitor, operations};

async fn read(session: LazySession) -> Result<StatusCode, Error> {
    session.load().await?;
    Ok(StatusCode::OK)
}

async fn write(session: LazySession) -> Result<StatusCode, Error> {
    session.load().await?.set("k", "v")?;
    Ok(StatusCode::OK)
}

async fn log_in(session: LazySession) -> Result<StatusCode, Error> {
    session.load().await?.log_in("alice").await?;
    Ok(StatusCode::OK)
}

async fn log_out(session: LazySession) -> Result<StatusCode, Error> {
    session.load().await?.log_out()?;
    Ok(StatusCode::OK)
}

fn says_nothing(reply: &Reply) -> bool {
    !reply.headers().contains_key("set-cookie")
}

#[tokio::test]
async fn one_round_trip_loads_and_none_is_made_when_the_session_is_not_used() {
    let mut visitor = Visitor::new();
    assert_eq!(visitor.visit(async |_| Ok(StatusCode::OK)).await.1, [""; 0]);
    assert_eq!(visitor.visit(read).await.1, [""; 0], "no cookie");
    assert_eq!(visitor.visit(write).await.1, ["create"]);
    assert_eq!(visitor.visit(async |_| Ok(StatusCode::OK)).await.1, [""; 0], "not used");
    assert_eq!(visitor.visit(read).await.1, ["load"]);
    assert_eq!(visitor.visit(write).await.1, ["load", "apply"]);
    let twice = async |session: LazySession| {
        session.load().await?;
        session.load().await?.set("a", &1)?;
        session.load().await?.set("b", &2)?;
        Ok(StatusCode::OK)
    };
    assert_eq!(visitor.visit(twice).await.1, ["load", "apply"], "read once, written once");
    visitor.cookie = visitor.cookie.map(|cookie| cookie.replace("sid=A", "sid=B"));
    assert_eq!(visitor.visit(read).await.1, [""; 0], "a forged cookie");
}

#[tokio::test]
async fn a_session_slides_inside_the_threshold_only_and_says_nothing_of_it() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    visitor.spy.advance(Duration::from_secs(19));
    assert_eq!(visitor.visit(read).await.1, ["load"]);
    visitor.spy.advance(Duration::from_secs(2));
    let (reply, operations) = visitor.visit(read).await;
    assert_eq!(operations, ["load", "slide"]);
    assert!(says_nothing(&reply));
    assert_eq!(visitor.visit(read).await.1, ["load"]);
}

#[tokio::test]
async fn log_in_and_log_out_are_one_write_each_on_the_record_beside_the_roster() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let before = visitor.cookie.clone();
    assert_eq!(visitor.visit(log_in).await.1, ["load", "reserve", "log-in", "confirm"]);
    assert_ne!(visitor.cookie, before);
    assert_eq!(visitor.visit(log_out).await.1, ["load", "destroy", "leave"]);
    assert_eq!(visitor.cookie, None);
    assert_eq!(visitor.visit(log_in).await.1, ["reserve", "create", "confirm"], "without a session it is created");
}

#[tokio::test]
async fn a_creation_on_behalf_of_a_dead_cookie_looks_once_more_and_a_log_in_leaves_a_tombstone() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    visitor.spy.advance(Duration::from_secs(101));
    let dead = visitor.cookie.clone();
    assert_eq!(visitor.visit(log_in).await.1, ["load", "reserve", "bury", "create", "confirm"]);
    let logged_in = visitor.cookie.clone();
    // The same dead cookie again, from a request that was under way: silent, and nothing is stored.
    visitor.cookie = dead.clone();
    let (reply, operations) = visitor.visit(write).await;
    assert_eq!((reply.status(), operations), (StatusCode::CONFLICT, vec!["load"]));
    assert!(says_nothing(&reply));
    // A minute later it counts as none.
    visitor.spy.advance(Duration::from_secs(61));
    let (reply, operations) = visitor.visit(write).await;
    assert_eq!((reply.status(), operations), (StatusCode::OK, vec!["load", "create", "load"]));
    assert!(visitor.cookie != dead && visitor.cookie != logged_in);
}

#[tokio::test]
async fn a_log_in_that_was_faster_than_a_creation_is_not_replaced_by_it() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    visitor.spy.advance(Duration::from_secs(101));
    // Between this request's load and its write, a log-in with the same dead cookie comes and goes.
    let (layer, dead) = (visitor.layer.clone(), visitor.cookie.clone());
    let overtaken = async move |session: LazySession| {
        let slow = session.load().await?;
        let other = Visitor { spy: TestStore::new(), layer: layer.clone(), cookie: None };
        assert_eq!(other.send(dead.clone(), log_in).await.status(), StatusCode::OK);
        slow.set("k", "v")?;
        Ok(StatusCode::OK)
    };
    let (reply, operations) = visitor.visit(overtaken).await;
    assert_eq!(operations, ["load", "load", "reserve", "bury", "create", "confirm", "create", "load", "destroy"]);
    assert_eq!(reply.status(), StatusCode::CONFLICT);
    assert!(says_nothing(&reply));
}

#[tokio::test]
async fn failing_handlers_drop_what_is_staged_but_carry_out_a_log_out() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let fails = async |session: LazySession| {
        session.load().await?.set("k", "other")?;
        Ok(StatusCode::INTERNAL_SERVER_ERROR)
    };
    assert_eq!(visitor.visit(fails).await.1, ["load"]);
    let declines = async |session: LazySession| {
        session.load().await?.set("k", "other")?;
        Ok(StatusCode::NOT_FOUND)
    };
    assert_eq!(visitor.visit(declines).await.1, ["load", "apply"], "4xx keeps it");
    let applied = async |session: LazySession| {
        session.load().await?.incr("n", 1).await?;
        Ok(StatusCode::INTERNAL_SERVER_ERROR)
    };
    assert_eq!(visitor.visit(applied).await.1, ["load", "apply"], "what was applied at once stays");
    let leaves = async |session: LazySession| {
        session.load().await?.log_out()?;
        Ok(StatusCode::INTERNAL_SERVER_ERROR)
    };
    let (reply, operations) = visitor.visit(leaves).await;
    assert_eq!((reply.status(), operations), (StatusCode::INTERNAL_SERVER_ERROR, vec!["load", "destroy"]));
    assert_eq!(visitor.cookie, None);
}

#[tokio::test]
async fn a_panic_goes_on_after_its_staged_log_out_was_carried_out() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let spy = visitor.spy.clone();
    let panics = async |session: LazySession| -> Result<StatusCode, Error> {
        let session: Session = session.load().await?;
        session.set("k", "lost")?;
        session.log_out()?;
        panic!("on purpose")
    };
    let panicked = tokio::spawn(async move { visitor.visit(panics).await }).await;
    assert!(panicked.expect_err("it is raised again").is_panic());
    assert_eq!(operations(&spy), ["load", "destroy"]);
}

#[tokio::test]
async fn an_unreachable_store_is_503_and_never_a_word_about_the_cookie() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let cookie = visitor.cookie.clone();
    visitor.spy.fail(UnavailableKind::Disconnected);
    for (reply, _) in [visitor.visit(read).await, visitor.visit(write).await] {
        assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(says_nothing(&reply));
    }
    let (reply, operations) = visitor.visit(async |_| Ok(StatusCode::OK)).await;
    assert_eq!((reply.status(), operations), (StatusCode::OK, vec![]));
    visitor.spy.fail(None);
    assert_eq!((visitor.visit(read).await.1, visitor.cookie), (vec!["load"], cookie));
}
