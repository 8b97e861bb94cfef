//! Requests with the same cookie at several instances: the service as it is, others coming in between any two calls of the
//! store.

use std::time::Duration;

use http::StatusCode;
use shuttle::future::{block_on, spawn};

use super::stage::{Browser, Stage};
use super::{every_order, some_orders};
use crate::error::Error;
use crate::session::LazySession;
use crate::sync::Places;

async fn log_in(session: LazySession) -> Result<StatusCode, Error> {
    session.load().await?.log_in("ann").await?;
    Ok(StatusCode::ACCEPTED)
}

async fn log_out(session: LazySession) -> Result<StatusCode, Error> {
    session.load().await?.log_out()?;
    Ok(StatusCode::RESET_CONTENT)
}

async fn write(session: LazySession) -> Result<StatusCode, Error> {
    session.load().await?.set("k", "value")?;
    Ok(StatusCode::OK)
}

async fn add(session: LazySession) -> Result<StatusCode, Error> {
    session.load().await?.incr("n", 1).await?;
    Ok(StatusCode::OK)
}

async fn read(session: LazySession) -> Result<StatusCode, Error> {
    let session = session.load().await?;
    let (user, value) = (session.user().is_some(), session.get::<String>("k")?.is_some());
    let count = session.get::<u64>("n")?.unwrap_or(0);
    Ok(match (user, value || count > 0) {
        (true, true) => StatusCode::IM_USED,
        (true, false) => StatusCode::OK,
        (false, true) => StatusCode::NO_CONTENT,
        (false, false) => StatusCode::NOT_FOUND,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    LogIn,
    LogOut,
    Write,
    Add,
}

/// What a browser comes to whose requests set out with the same cookie, to an instance each.
fn visit(is_there: bool, requests: &[What]) {
    let (stage, browser) = (Stage::new(), Browser::default());
    let instances: Vec<_> = requests.iter().map(|_| stage.instance()).collect();
    block_on(async {
        assert_eq!(browser.visit(&instances[0], write).await, StatusCode::OK);
        if !is_there {
            stage.pass(Duration::from_secs(100 * 24 * 3600));
        }
        let cookie = browser.jar().cookie;
        let mut under_way = Vec::new();
        for (what, instance) in requests.iter().copied().zip(instances.clone()) {
            let (browser, cookie) = (browser.clone(), cookie.clone());
            under_way.push(spawn(async move {
                let status = match what {
                    What::LogIn => browser.visit_with(cookie, &instance, log_in).await,
                    What::LogOut => browser.visit_with(cookie, &instance, log_out).await,
                    What::Write => browser.visit_with(cookie, &instance, write).await,
                    What::Add => browser.visit_with(cookie, &instance, add).await,
                };
                (what, status)
            }));
        }
        let mut answers = Vec::new();
        for request in under_way {
            answers.push(request.await.expect("no panic"));
        }
        let (told, found) = (browser.jar().logged_in, browser.visit(&instances[0], read).await);
        if told {
            assert!([StatusCode::OK, StatusCode::IM_USED].contains(&found), "who was told to be logged in is: {found}");
        }
        let is_in = |(what, status): &(What, StatusCode)| *what == What::LogIn && *status == StatusCode::ACCEPTED;
        let only_log_ins = requests.iter().all(|what| *what != What::LogOut);
        assert!(
            !only_log_ins || answers.iter().any(is_in) || !requests.contains(&What::LogIn),
            "one log-in comes in: {answers:?}"
        );
        if is_there && only_log_ins {
            assert!(found != StatusCode::NOT_FOUND && found != StatusCode::OK, "what was there is there: {found}");
        }
        assert_eq!(browser.visit(&instances[0], log_in).await, StatusCode::ACCEPTED, "a log-in comes in");
    });
}

#[test]
fn a_form_that_is_sent_to_two_instances_leaves_its_user_logged_in() {
    every_order("two log-ins", Places::Calls, || visit(true, &[What::LogIn, What::LogIn]));
    // Each begins a session of its own: three times as many orders.
    some_orders("two log-ins anew", Places::Calls, 500, || visit(false, &[What::LogIn, What::LogIn]));
}

#[test]
fn a_log_in_beside_a_write_or_a_log_out_of_the_same_cookie() {
    for is_there in [true, false] {
        for other in [What::Write, What::Add, What::LogOut] {
            every_order(&format!("a log-in and {other:?}"), Places::Calls, move || {
                visit(is_there, &[What::LogIn, other]);
            });
        }
    }
}

#[test]
fn three_requests_with_the_same_cookie() {
    for is_there in [true, false] {
        for requests in [[What::LogIn, What::LogIn, What::Write], [What::LogIn, What::Add, What::LogOut]] {
            some_orders(&format!("{requests:?}"), Places::Calls, 150, move || visit(is_there, &requests));
        }
    }
}
