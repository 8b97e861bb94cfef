//! Requests that others overtake: between what this one read and what it says, somebody logs in, writes or answers.

use std::time::Duration;

use http::StatusCode;
use stickless::{Error, ErrorKind, LazySession, SessionLayer};

use stickless::UnavailableKind;
use stickless::testing::TestStore;

use super::visitor::{Reply, Visitor, fill, layer, operations};
use super::{log_in, log_out, read, says_nothing, write};

/// Another request with this cookie, from beginning to end; its answer.
async fn meanwhile<F>(layer: &SessionLayer, cookie: Option<&String>, handler: F) -> Reply
where
    F: AsyncFn(LazySession) -> Result<StatusCode, Error> + Clone + Send + 'static,
{
    let other = Visitor { spy: TestStore::new(), layer: layer.clone(), cookie: None };
    other.send(cookie.cloned(), handler).await
}

async fn incr(session: LazySession) -> Result<StatusCode, Error> {
    session.load().await?.incr("n", 1).await?;
    Ok(StatusCode::OK)
}

/// A visitor whose session was kept alive for over an hour, and whose cookie's key is no longer the first.
async fn due_for_a_new_signature() -> Visitor {
    let mut visitor = Visitor::with_keys(&[1]);
    visitor.visit(write).await;
    for _ in 0..80 {
        visitor.spy.advance(Duration::from_secs(50));
        visitor.visit(read).await;
    }
    visitor.layer = layer(&visitor.spy, &[2, 1]);
    visitor
}

#[tokio::test]
async fn a_new_signature_never_replaces_the_cookie_of_a_log_in_that_was_faster() {
    let mut visitor = due_for_a_new_signature().await;
    let (shared, cookie) = (visitor.layer.clone(), visitor.cookie.clone());
    let overtaken = async move |session: LazySession| {
        session.load().await?;
        assert_eq!(meanwhile(&shared, cookie.as_ref(), log_in).await.status(), StatusCode::OK);
        Ok(StatusCode::OK)
    };
    assert!(says_nothing(&visitor.visit(overtaken).await.0));
    // Nobody is faster here, so it is signed anew, once; a failing handler leaves that to the next request.
    let mut other = due_for_a_new_signature().await;
    let fails = async |session: LazySession| {
        session.load().await?;
        Ok(StatusCode::INTERNAL_SERVER_ERROR)
    };
    assert!(says_nothing(&other.visit(fails).await.0));
    assert!(!says_nothing(&other.visit(read).await.0));
    assert!(says_nothing(&other.visit(read).await.0));
}

#[tokio::test]
async fn a_session_created_at_once_gives_way_to_a_log_in_before_the_answer() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    visitor.spy.advance(Duration::from_secs(101));
    let (shared, dead) = (visitor.layer.clone(), visitor.cookie.clone());
    let overtaken = async move |session: LazySession| {
        session.load().await?.incr("n", 1).await?;
        assert_eq!(meanwhile(&shared, dead.as_ref(), log_in).await.status(), StatusCode::OK);
        Ok(StatusCode::OK)
    };
    let (reply, operations) = visitor.visit(overtaken).await;
    assert_eq!(
        operations,
        ["load", "create", "load", "load", "reserve", "bury", "create", "confirm", "load", "destroy"]
    );
    assert_eq!(reply.status(), StatusCode::CONFLICT);
    assert!(says_nothing(&reply));
}

#[tokio::test]
async fn a_session_that_is_loaded_after_the_headers_is_sealed() {
    let mut visitor = Visitor::new();
    let (send, receive) = tokio::sync::oneshot::channel();
    let send = std::sync::Arc::new(std::sync::Mutex::new(Some(send)));
    let keeps = async move |session: LazySession| {
        let send = send.lock().expect("not poisoned").take();
        assert!(send.expect("once").send(session).is_ok());
        Ok(StatusCode::OK)
    };
    visitor.visit(keeps).await;
    let session = receive.await.expect("sent").load().await.expect("nothing to load");
    assert_eq!(session.set("k", &1).expect_err("sealed").kind(), ErrorKind::Sealed);
    assert_eq!(session.incr("n", 1).await.expect_err("sealed").kind(), ErrorKind::Sealed);
    assert_eq!(session.log_in("alice").await.expect_err("sealed").kind(), ErrorKind::Sealed);
    assert_eq!(operations(&visitor.spy), [""; 0]);
}

#[tokio::test]
async fn a_record_that_others_filled_refuses_the_staged_data_and_keeps_the_log_ins_cookie() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let spy = visitor.spy.clone();
    let overtaken = async move |session: LazySession| {
        let session = session.load().await?;
        session.log_in("alice").await?;
        session.set("big", &"x".repeat(600))?;
        // The same record as another instance sees it: nearly full.
        let handle = session.id().expect("live");
        fill(&spy, handle, 2, 600).await;
        Ok(StatusCode::OK)
    };
    let (reply, _) = visitor.visit(overtaken).await;
    assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!says_nothing(&reply), "the log-in was done");
    let (reply, _) = visitor.visit(incr).await;
    assert_eq!(reply.status(), StatusCode::OK, "its cookie is the current one");
}

#[tokio::test]
async fn what_was_staged_before_another_log_in_is_not_applied_after_it() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let (shared, cookie) = (visitor.layer.clone(), visitor.cookie.clone());
    let overtaken = async move |session: LazySession| {
        let session = session.load().await?;
        assert_eq!(meanwhile(&shared, cookie.as_ref(), log_in).await.status(), StatusCode::OK);
        session.clear()?;
        session.log_in("alice").await?;
        Ok(StatusCode::OK)
    };
    let (reply, _) = visitor.visit(overtaken).await;
    assert_eq!(reply.status(), StatusCode::CONFLICT);
    assert!(says_nothing(&reply));
    // Sent again, with the old cookie still, it leads back; and what it stages then is applied.
    let again = async |session: LazySession| {
        let session = session.load().await?;
        session.set("theme", "dark")?;
        session.log_in("alice").await?;
        assert_eq!(session.keys(), ["k", "theme"]);
        Ok(StatusCode::OK)
    };
    let (reply, _) = visitor.visit(again).await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert!(!says_nothing(&reply));
}

#[tokio::test]
async fn an_outage_signs_no_cookie_anew() {
    let mut visitor = due_for_a_new_signature().await;
    let spy = visitor.spy.clone();
    let cut_off = async move |session: LazySession| {
        session.load().await?.set("k", "lost")?;
        spy.fail(UnavailableKind::Disconnected);
        Ok(StatusCode::OK)
    };
    let (reply, _) = visitor.visit(cut_off).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(says_nothing(&reply));
}

#[tokio::test]
async fn a_log_in_on_a_session_created_at_once_buries_the_dead_cookie_too() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    visitor.spy.advance(Duration::from_secs(101));
    let dead = visitor.cookie.clone();
    let counts_and_logs_in = async |session: LazySession| {
        let session = session.load().await?;
        session.incr("attempts", 1).await?;
        session.log_in("alice").await?;
        Ok(StatusCode::OK)
    };
    let (reply, operations) = visitor.visit(counts_and_logs_in).await;
    assert_eq!(operations, ["load", "create", "load", "reserve", "log-in", "confirm", "bury"]);
    assert!(!says_nothing(&reply));
    visitor.cookie = dead;
    let (reply, _) = visitor.visit(write).await;
    assert_eq!(reply.status(), StatusCode::CONFLICT);
    assert!(says_nothing(&reply));
}

#[tokio::test]
async fn a_value_that_is_taken_and_then_added_to_loses_no_other_addition() {
    let mut visitor = Visitor::new();
    visitor.visit(incr).await;
    let (shared, cookie) = (visitor.layer.clone(), visitor.cookie.clone());
    let overtaken = async move |session: LazySession| {
        let session = session.load().await?;
        assert_eq!(session.take::<i64>("n")?, Some(1));
        assert_eq!(meanwhile(&shared, cookie.as_ref(), incr).await.status(), StatusCode::OK);
        assert_eq!(session.incr("n", 10).await?, 12);
        Ok(StatusCode::OK)
    };
    assert_eq!(visitor.visit(overtaken).await.0.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_was_staged_before_a_log_out_is_not_carried_into_another_session() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let (shared, cookie) = (visitor.layer.clone(), visitor.cookie.clone());
    let overtaken = async move |session: LazySession| {
        let session = session.load().await?;
        session.set("copy", &session.get::<String>("k")?)?;
        assert_eq!(meanwhile(&shared, cookie.as_ref(), log_out).await.status(), StatusCode::OK);
        session.log_in("bob").await?;
        Ok(StatusCode::OK)
    };
    let (reply, _) = visitor.visit(overtaken).await;
    assert_eq!(reply.status(), StatusCode::CONFLICT);
    assert!(says_nothing(&reply));
    // Sent again it starts anew, and its form works.
    let (reply, _) = visitor.visit(log_in).await;
    assert!(reply.status() == StatusCode::OK && !says_nothing(&reply));
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_nobody_carries_on_holds_up_the_request_no_longer_than_its_budget() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let (spy, started) = (visitor.spy.clone(), tokio::time::Instant::now());
    let parks = async move |session: LazySession| {
        let session = session.load().await?;
        session.set("k", "other")?;
        spy.hang_writes(true);
        let mut parked = Box::pin(session.incr("n", 1));
        tokio::select! {
            biased;
            _ = &mut parked => unreachable!("the store hangs"),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
        assert_eq!(session.incr("n", 1).await.expect_err("not its turn").kind(), ErrorKind::Unavailable);
        drop(parked);
        spy.hang_writes(false);
        Ok(StatusCode::OK)
    };
    assert_eq!(visitor.visit(parks).await.0.status(), StatusCode::OK, "what was staged is staged again");
    assert!(started.elapsed() < Duration::from_millis(1100), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_a_save_has_taken_that_does_not_come_back_is_not_answered_as_if_it_were_stored() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let spy = visitor.spy.clone();
    let parks = async move |session: LazySession| {
        let session = session.load().await?;
        session.set("k", "other")?;
        spy.hang_writes(true);
        tokio::spawn(async move { session.save().await });
        tokio::task::yield_now().await;
        Ok(StatusCode::OK)
    };
    let (reply, _) = visitor.visit(parks).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(says_nothing(&reply));
}

#[tokio::test]
async fn log_in_and_log_out_expire_the_twin_of_another_domain() {
    let mut visitor = Visitor::new();
    visitor.visit(write).await;
    let single = visitor.cookie.clone().expect("a session");
    for handler in [log_in_boxed, log_out_boxed] as [fn(LazySession) -> Boxed; 2] {
        let twins = format!("{single}; {}", visitor.cookie.clone().expect("a session"));
        let reply = visitor.send(Some(twins), async move |session| handler(session).await).await;
        let cookies: Vec<_> =
            reply.headers().get_all("set-cookie").iter().map(|line| line.to_str().expect("ASCII")).collect();
        assert_eq!(cookies.len(), 2, "{cookies:?}");
        assert_eq!(cookies.iter().filter(|line| line.contains("Max-Age=0") && !line.contains("Domain")).count(), 1);
        let ours = cookies.iter().find(|line| line.contains("Domain")).expect("ours");
        visitor.cookie = ours.split(';').next().map(str::to_owned);
    }
}

type Boxed = std::pin::Pin<Box<dyn Future<Output = Result<StatusCode, Error>> + Send>>;

fn log_in_boxed(session: LazySession) -> Boxed {
    Box::pin(log_in(session))
}

fn log_out_boxed(session: LazySession) -> Boxed {
    Box::pin(log_out(session))
}
