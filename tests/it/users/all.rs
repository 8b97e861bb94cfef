//! All means all, also while others log in, slide and write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use stickless::store::RedisStore;
use stickless::users::News;
use stickless::{Reason, Users};
use tokio::time::timeout;

use super::{alive, assert_all_have_a_deadline, devices, ended, logged_in, many, patient};
use crate::harness::{Browser, Fleet};
use crate::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_sessions_end_while_others_log_in_and_write_and_slide() {
    // Every use of a session slides it.
    let env = patient(&[("SESSION_IDLE", "100"), ("SESSION_REFRESH_WITHIN", "100")]);
    let fleet = Arc::new(Fleet::start_with(3, &env).await);
    for round in 0..5 {
        let before = many(&fleet, 20, "ada").await;
        let stop = Arc::new(AtomicBool::new(false));
        // But for the one that ends all: its own answer removes its cookie.
        let busy: Vec<_> = before.iter().cloned().enumerate().skip(1).map(|work| use_it(&fleet, work, &stop)).collect();
        let comers: Vec<_> = (0..20).map(|turn| log_in_again_and_again(&fleet, turn, &stop)).collect();
        tokio::time::sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        let answer = before[0].at(fleet.url(round)).post("/logout-everywhere").send().await;
        let count = ended(&answer);
        let done = Instant::now();
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.store(true, Ordering::Relaxed);
        for outcome in join_all(busy).await {
            outcome.expect("no panic");
        }
        assert_eq!(alive(&fleet, &before).await, 0, "round {round}");
        let came: Vec<_> = join_all(comers).await.into_iter().flat_map(|came| came.expect("no panic")).collect();
        // Whoever was in before it began is out; whoever began after it was done is in.
        let (early, late): (Vec<_>, Vec<_>) = came.into_iter().partition(|came| came.answered < began);
        let early: Vec<Browser> = early.into_iter().map(|came| came.browser).collect();
        assert_eq!(alive(&fleet, &early).await, 0, "round {round}");
        let (after, between): (Vec<_>, Vec<_>) = late.into_iter().partition(|came| came.began > done);
        let [after, between] =
            [after, between].map(|came| came.into_iter().map(|came| came.browser).collect::<Vec<_>>());
        assert_eq!(alive(&fleet, &after).await, after.len(), "round {round}");
        let (lived, were) = (alive(&fleet, &between).await, before.len() + early.len() + between.len());
        // Exactly those that are not alive were counted.
        assert_eq!(usize::try_from(count).expect("small") + lived, were, "round {round}");
        let listed = devices(&logged_in(&fleet, 0, "ada").await).await.len();
        assert_eq!(listed, lived + after.len() + 1, "alive and listed is the same");
        println!("{count} ended; {} came after, {lived} of {} beside", after.len(), between.len());
        ended(&logged_in(&fleet, 0, "ada").await.post("/logout-everywhere").send().await);
    }
    assert_all_have_a_deadline(&fleet.redis).await;
}

/// Reads and writes until it is told to stop; what has ended is refused and never comes back.
fn use_it(
    fleet: &Arc<Fleet>,
    (turn, browser): (usize, Browser),
    stop: &Arc<AtomicBool>,
) -> tokio::task::JoinHandle<()> {
    let (fleet, stop) = (fleet.clone(), stop.clone());
    tokio::spawn(async move {
        let mut at = turn;
        while !stop.load(Ordering::Relaxed) {
            at += 1;
            let browser = browser.at(fleet.url(at));
            let request = if at.is_multiple_of(2) { browser.post("/set?k=a&v=1") } else { browser.get("/me") };
            let answer = request.send().await;
            assert!(matches!(answer.status, 200 | 204 | 409), "{}", answer.status);
            assert_eq!(answer.set_cookies().len(), 0);
        }
    })
}

/// A log-in that was answered with 204.
struct Came {
    browser: Browser,
    began: Instant,
    answered: Instant,
}

fn log_in_again_and_again(
    fleet: &Arc<Fleet>,
    turn: usize,
    stop: &Arc<AtomicBool>,
) -> tokio::task::JoinHandle<Vec<Came>> {
    let (fleet, stop) = (fleet.clone(), stop.clone());
    tokio::spawn(async move {
        let mut came = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let (browser, began) = (Browser::new(fleet.url(turn)), Instant::now());
            let answer = browser.post("/login?user=ada").send().await;
            // One that was overtaken by the end of all fails, and sets no cookie.
            assert!(matches!(answer.status, 204 | 409), "{}", answer.status);
            if answer.status == 204 {
                came.push(Came { browser, began, answered: Instant::now() });
            } else {
                assert_eq!(browser.cookie(), None);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        came
    })
}

#[tokio::test]
async fn a_session_that_is_not_listed_ends_too_when_it_slides_next() {
    let env = [("SESSION_IDLE", "100"), ("SESSION_REFRESH_WITHIN", "100")];
    let fleet = Fleet::start_with(2, &env).await;
    let (unlisted, other) = (logged_in(&fleet, 0, "ada").await, logged_in(&fleet, 1, "ada").await);
    let handle = super::own(&unlisted).await;
    let users = Users::new(RedisStore::connect(&fleet.redis.url()).expect("a store"));
    let mut endings = users.endings();
    assert_eq!(endings.next().await, Some(News::Gap));
    let roster = fleet.redis.cli(&["KEYS", "stickless:u:*"]).await;
    fleet.redis.cli(&["HDEL", &roster, &handle]).await;
    assert_eq!(ended(&other.post("/logout-everywhere").send().await), 1);
    until("its own next use ends it", async || super::user(&unlisted).await.is_null()).await;
    let me = unlisted.get("/me").send().await;
    assert_eq!((me.json()["reason"].clone(), me.set_cookies().len()), (serde_json::json!("everywhere"), 0));
    let told = async {
        let handle = handle.parse().expect("a handle");
        while endings.next().await != Some(News::Ended { handle, reason: Reason::Everywhere }) {}
    };
    timeout(Duration::from_secs(20), told).await.expect("it is announced like any other");
}
