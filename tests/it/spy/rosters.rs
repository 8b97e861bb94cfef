//! What a log-in asks of the store beside its record: at most three more.

use std::time::Duration;

use http::StatusCode;
use stickless::testing::{Operation, TestStore};
use stickless::{Cap, ErrorKind, KeyRing, LazySession, SessionLayer, State, UnavailableKind};

use super::visitor::Visitor;
use super::{log_in, read};

fn visitor(spy: &TestStore, cap: Cap) -> Visitor {
    let keys = KeyRing::from_keys(&[[7; 32]]).expect("32 bytes");
    let layer = SessionLayer::builder(spy.clone(), keys).idle(Duration::from_secs(100)).cap(cap);
    Visitor { spy: spy.clone(), layer: layer.build().expect("possible"), cookie: None }
}

#[tokio::test]
async fn a_log_in_that_evicts_asks_three_times_more() {
    let spy = TestStore::new();
    let mut visitors = [(); 3].map(|()| visitor(&spy, Cap::Evict(1)));
    assert_eq!(visitors[0].visit(log_in).await.1, ["reserve", "create", "confirm"]);
    assert_eq!(visitors[1].visit(log_in).await.1, ["reserve", "create", "end", "confirm"]);
    let why = async |session: LazySession| {
        let state = session.load().await?.state();
        assert_eq!(state, State::Ended(stickless::Reason::Evicted));
        Ok(StatusCode::OK)
    };
    assert_eq!(visitors[0].visit(why).await.1, ["load"]);
    // With more places, those who are in are asked while the record is written.
    let mut visitors = [(); 3].map(|()| visitor(&spy, Cap::Evict(2)));
    visitors[0].visit(log_in).await;
    assert_eq!(visitors[1].visit(log_in).await.1, ["reserve", "create", "load", "end", "confirm"]);
    assert_eq!(
        visitors[1].visit(log_in).await.1,
        ["load", "place", "reserve", "log-in", "confirm"],
        "who is in stays in"
    );
}

#[tokio::test]
async fn who_is_refused_has_asked_those_who_are_in() {
    let spy = TestStore::new();
    let mut visitors = [(); 2].map(|()| visitor(&spy, Cap::Refuse(1)));
    assert_eq!(visitors[0].visit(log_in).await.1, ["reserve", "create", "confirm"]);
    let refused = async |session: LazySession| {
        let error = session.load().await?.log_in("alice").await.expect_err("refused");
        assert_eq!((error.kind(), error.status()), (ErrorKind::Cap, StatusCode::FORBIDDEN));
        assert_eq!(error.to_string(), "the user has as many sessions as they may have");
        Ok(StatusCode::OK)
    };
    assert_eq!(visitors[1].visit(refused).await.1, ["reserve", "load"]);
    // Whoever came with the cookie once is known to have it; that is noted once.
    assert_eq!(visitors[0].visit(read).await.1, ["load", "place"]);
    assert_eq!(visitors[0].visit(read).await.1, ["load"]);
}

#[tokio::test]
async fn a_slide_of_a_user_touches_the_roster_first_and_no_other_read_does() {
    let spy = TestStore::new();
    let mut visitor = visitor(&spy, Cap::Evict(9));
    visitor.visit(log_in).await;
    assert_eq!(visitor.visit(read).await.1, ["load", "place"]);
    spy.advance(Duration::from_secs(19));
    assert_eq!(visitor.visit(read).await.1, ["load"]);
    spy.advance(Duration::from_secs(2));
    assert_eq!(visitor.visit(read).await.1, ["load", "touch", "slide"]);
    assert_eq!(visitor.visit(read).await.1, ["load"]);
}

#[tokio::test]
async fn a_longer_life_is_told_to_the_roster_before_also_with_a_rotation() {
    let mut visitor = visitor(&TestStore::new(), Cap::Evict(9));
    visitor.visit(log_in).await;
    assert_eq!(visitor.visit(read).await.1, ["load", "place"]);
    let remembered = async |session: LazySession| {
        let session = session.load().await?;
        session.remember(Duration::from_secs(100_000))?;
        session.rotate().await?;
        Ok(StatusCode::OK)
    };
    assert_eq!(visitor.visit(remembered).await.1, ["load", "touch", "rotate"]);
    // Long after its roster would have been forgotten.
    visitor.spy.advance(Duration::from_secs(10_000));
    let listed = async |session: LazySession| {
        assert_eq!(session.load().await?.devices().await?.len(), 1);
        Ok(StatusCode::OK)
    };
    assert_eq!(visitor.visit(listed).await.0.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_was_staged_on_a_session_that_ends_itself_is_dropped_with_it() {
    let spy = TestStore::new();
    let write_and_end = async |session: LazySession| {
        let session = session.load().await?;
        session.set("k", "v")?;
        assert_eq!(session.end_everywhere().await?, 1);
        assert_eq!(session.set("k", "v").expect_err("it has ended").kind(), ErrorKind::Ended);
        Ok(StatusCode::OK)
    };
    let mut visitor = visitor(&spy, Cap::Evict(9));
    visitor.visit(log_in).await;
    assert_eq!(visitor.visit(write_and_end).await.0.status(), StatusCode::OK);
    assert_eq!(visitor.cookie, None);
}

#[tokio::test]
async fn a_log_in_that_is_not_confirmed_sends_no_cookie_and_can_be_repeated() {
    let spy = TestStore::new();
    let mut visitor = visitor(&spy, Cap::Evict(1));
    let write = async |session: LazySession| {
        session.load().await?.set("k", "v")?;
        Ok(StatusCode::OK)
    };
    visitor.visit(write).await;
    let before = visitor.cookie.clone();
    spy.fail_on(Operation::Confirm, UnavailableKind::Disconnected);
    let (reply, _) = visitor.visit(log_in).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(!reply.headers().contains_key("set-cookie"));
    // Also a handler that goes on as if nothing were.
    let heedless = async |session: LazySession| {
        let session = session.load().await?;
        assert!(session.log_in("alice").await.is_err());
        assert_eq!((session.state(), session.user()), (State::Stale, None));
        Ok(StatusCode::OK)
    };
    let (reply, _) = visitor.visit(heedless).await;
    assert!(!reply.headers().contains_key("set-cookie"));
    assert_eq!(visitor.cookie, before);
    spy.fail_on(Operation::Confirm, None);
    assert_eq!(visitor.visit(log_in).await.0.status(), StatusCode::OK);
    let kept = async |session: LazySession| {
        let session = session.load().await?;
        assert_eq!((session.user().as_deref(), session.get::<String>("k")?.as_deref()), (Some("alice"), Some("v")));
        assert_eq!(session.devices().await?.len(), 1);
        Ok(StatusCode::OK)
    };
    assert_eq!(visitor.visit(kept).await.0.status(), StatusCode::OK);
}
