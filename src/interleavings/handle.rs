//! Clones of one request's session in several threads, and the end of the request: others coming in before each look at what
//! they share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use http::StatusCode;
use shuttle::future::{JoinHandle, block_on, spawn, spawn_local};

use super::stage::{Browser, Stage};
use super::{every_order, some_orders};
use crate::error::Error;
use crate::session::{LazySession, Session};
use crate::sync::Places;

/// What clones did, and with what result.
type Results = Arc<Mutex<Vec<JoinHandle<()>>>>;

fn set(session: &Session, key: &str) -> bool {
    session.set(key, "value").is_ok()
}

async fn keys(browser: &Browser, stage: &Stage) -> Vec<String> {
    let found = Arc::new(Mutex::new(Vec::new()));
    let keys = found.clone();
    let read = async move |session: LazySession| {
        *keys.lock().expect("not poisoned") = session.load().await?.keys();
        Ok(StatusCode::OK)
    };
    browser.visit(&stage.instance(), read).await;
    found.lock().expect("not poisoned").clone()
}

/// A request whose handler answers while a clone is still at work on the session that is there already, or is none yet: its
/// status, what the clone came to, and the session's keys afterwards.
fn beside(
    is_there: bool,
    work: impl AsyncFn(Session) -> bool + Copy + Send + Sync + 'static,
) -> (StatusCode, bool, Vec<String>) {
    let (stage, browser) = (Stage::new(), Browser::default());
    let (instance, worked, threads) = (stage.instance(), Arc::new(AtomicBool::new(false)), Results::default());
    block_on(async move {
        let begin = async |session: LazySession| {
            session.load().await?.set("first", "value")?;
            Ok::<_, Error>(StatusCode::OK)
        };
        if is_there {
            assert_eq!(browser.visit(&instance, begin).await, StatusCode::OK);
        }
        let (done, started) = (worked.clone(), threads.clone());
        let handler = async move |session: LazySession| {
            let session = session.load().await?;
            let (clone, done) = (session.clone(), done.clone());
            let thread = spawn_local(async move { done.store(work(clone).await, Ordering::Relaxed) });
            started.lock().expect("not poisoned").push(thread);
            session.set("own", "value")?;
            Ok(StatusCode::OK)
        };
        let status = browser.visit(&instance, handler).await;
        let left = std::mem::take(&mut *threads.lock().expect("not poisoned"));
        for thread in left {
            thread.await.expect("no panic");
        }
        assert!(stage.len() < 2, "one browser, one session");
        (status, worked.load(Ordering::Relaxed), keys(&browser, &stage).await)
    })
}

#[test]
fn what_a_clone_staged_before_the_answer_is_stored_with_it_and_afterwards_it_is_refused() {
    every_order("set", Places::All, || {
        let (status, staged, keys) = beside(true, async |session: Session| set(&session, "clone"));
        assert_eq!(status, StatusCode::OK);
        assert_eq!(keys.contains(&"clone".to_owned()), staged, "{keys:?}");
        assert!(keys.contains(&"own".to_owned()));
    });
}

#[test]
fn what_a_clone_saves_while_the_answer_is_decided_is_stored_once_it_is_told_so() {
    for is_there in [true, false] {
        some_orders("save", Places::All, 400, move || {
            let (status, saved, keys) =
                beside(is_there, async |session: Session| set(&session, "clone") && session.save().await.is_ok());
            assert_eq!(status, StatusCode::OK);
            assert!(keys.contains(&"own".to_owned()), "{keys:?}");
            assert!(!saved || keys.contains(&"clone".to_owned()), "{keys:?}");
        });
    }
}

#[test]
fn a_log_out_by_a_clone_before_the_answer_is_carried_out_with_it_and_afterwards_it_is_refused() {
    every_order("log-out", Places::All, || {
        let (_, logged_out, keys) = beside(true, async |session: Session| session.log_out().is_ok());
        assert_eq!(logged_out, keys.is_empty(), "{keys:?}");
    });
}

#[test]
fn additions_of_two_clones_beside_the_answer_find_one_session() {
    some_orders("incr", Places::All, 200, || {
        let (status, added, keys) = beside(false, async |session: Session| {
            let (one, other) = (session.clone(), spawn(async move { session.incr("n", 1).await.is_ok() }));
            let one = one.incr("n", 1).await.is_ok();
            one && other.await.expect("no panic")
        });
        assert_eq!(status, StatusCode::OK);
        assert!(!added || keys.contains(&"n".to_owned()), "{keys:?}");
    });
}

#[test]
fn a_record_that_two_clones_ask_for_is_read_once() {
    every_order("load", Places::All, || {
        let (stage, browser) = (Stage::new(), Browser::default());
        let instance = stage.instance();
        block_on(async move {
            let begin = async |session: LazySession| {
                session.load().await?.set("first", "value")?;
                Ok::<_, Error>(StatusCode::OK)
            };
            browser.visit(&instance, begin).await;
            let before = stage.loads.load(Ordering::Relaxed);
            let handler = async |session: LazySession| {
                let clone = session.clone();
                let other = spawn(async move { clone.load().await.is_ok_and(|session| session.contains("first")) });
                let here = session.load().await?.contains("first");
                assert!(here && other.await.expect("no panic"));
                Ok::<_, Error>(StatusCode::OK)
            };
            assert_eq!(browser.visit(&instance, handler).await, StatusCode::OK);
            assert_eq!(stage.loads.load(Ordering::Relaxed), before + 1);
        });
    });
}
