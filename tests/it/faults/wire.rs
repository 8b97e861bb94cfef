//! The wire between an instance and its store is faulty.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{assert_back, assert_out};
use crate::harness::{Browser, Instance, Mode, RedisServer, TcpProxy, session_key};

struct Setup {
    wire: TcpProxy,
    instance: Instance,
    browser: Browser,
    _redis: RedisServer,
}

impl Setup {
    /// A write by a request that has read its session: the wire is set to this before it is sent.
    async fn write_over(&self, mode: Mode) -> u16 {
        let before = self.wire.reply_bytes();
        let slow = tokio::spawn(self.browser.get("/slow?ms=500&k=a&v=b").send());
        let begun = Instant::now();
        while self.wire.reply_bytes() == before {
            assert!(begun.elapsed() < Duration::from_secs(10), "it reads no session");
            sleep(Duration::from_millis(2)).await;
        }
        self.wire.set(mode);
        slow.await.expect("no panic").status
    }
}

/// A user whose counter stands at one, behind a wire that works.
async fn begin() -> Setup {
    let redis = RedisServer::start().await;
    let wire = TcpProxy::start(redis.port()).await;
    let instance = Instance::start(&[("STORE", wire.redis_url()), ("SESSION_KEYS", session_key())]).await;
    let browser = Browser::new(instance.url());
    assert_eq!(browser.post("/login?user=ada").send().await.status, 204);
    assert_eq!(browser.get("/count").send().await.json()["count"], 1);
    Setup { wire, instance, browser, _redis: redis }
}

#[tokio::test]
async fn replies_slower_than_usual_but_in_time_are_waited_for() {
    let setup = begin().await;
    let (wire, browser) = (&setup.wire, &setup.browser);
    wire.set(Mode::Delay(Duration::from_millis(60)));
    let begun = Instant::now();
    let answer = browser.get("/count").send().await;
    assert_eq!((answer.status, answer.json()["count"].clone()), (200, 2.into()));
    assert!(begun.elapsed() > Duration::from_millis(200), "the wire was not slow: {:?}", begun.elapsed());
}

#[tokio::test]
async fn replies_that_come_too_late_are_a_503_and_reach_nobody() {
    let setup = begin().await;
    let (wire, browser, other) = (&setup.wire, &setup.browser, &Browser::new(setup.instance.url()));
    other.post("/login?user=bob").send().await;
    wire.set(Mode::Delay(Duration::from_millis(160)));
    assert_out(browser).await;
    wire.set(Mode::Forward);
    // Late replies are still on their way.
    for _ in 0..20 {
        for (browser, user) in [(browser, "ada"), (other, "bob")] {
            let me = browser.get("/me").send().await;
            assert!(me.status == 503 || me.json()["user"] == user, "{me:?}");
        }
    }
    assert_back(browser, "ada").await;
    assert_back(other, "bob").await;
}

#[tokio::test]
async fn packets_that_are_swallowed_are_a_503_at_the_deadline_and_no_write_afterwards() {
    let setup = begin().await;
    let (wire, browser) = (&setup.wire, &setup.browser);
    wire.set(Mode::Swallow);
    assert_out(browser).await;
    // What was held is delivered now, as TCP does after an outage.
    wire.set(Mode::Forward);
    assert_back(browser, "ada").await;
    assert_eq!(browser.get("/me").send().await.json()["count"], 2);
    assert_eq!(browser.get("/exists?k=a").send().await.json()["exists"], false);
}

#[tokio::test]
async fn a_write_whose_replies_are_lost_is_done_once_or_not_at_all() {
    let setup = begin().await;
    let (wire, browser) = (&setup.wire, &setup.browser);
    assert_eq!(setup.write_over(Mode::SwallowReplies).await, 503);
    for _ in 0..3 {
        assert_eq!(browser.get("/count").send().await.status, 503);
    }
    wire.set(Mode::Forward);
    assert_back(browser, "ada").await;
    assert_eq!(browser.get("/me").send().await.json()["count"], 2);
    // Three attempts, of which none knew of the others' success.
    assert_eq!(browser.get("/exists?k=a").send().await.json()["exists"], true);
}

#[tokio::test]
async fn a_reply_that_is_cut_is_asked_for_again_and_the_value_is_added_exactly_once() {
    let setup = begin().await;
    let (wire, browser) = (&setup.wire, &setup.browser);
    // In the reply of the load, right after it, and in that of the write: the addition was done then.
    let places: [(bool, u64); 8] =
        [(false, 0), (false, 1), (false, 100), (true, 0), (true, 1), (true, 9), (true, 20), (true, 30)];
    for ((after_load, bytes), count) in places.into_iter().cycle().take(24).zip(2..) {
        let before = (wire.connections(), wire.reply_bytes());
        assert_eq!(browser.get("/me").send().await.status, 200);
        let load = wire.reply_bytes() - before.1;
        let at = if after_load { load + bytes } else { bytes };
        wire.set(Mode::CutOnce(at));
        let answer = browser.get("/count").send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (200, 0), "cut after {at} of {load} bytes");
        assert_eq!(answer.json()["count"], count, "cut after {at} of {load} bytes");
        assert_eq!(wire.connections(), before.0 + 1, "nothing was cut after {at} of {load} bytes");
    }
}

#[tokio::test]
async fn a_write_that_was_held_up_on_the_way_is_not_done_late() {
    let setup = begin().await;
    let (wire, browser) = (&setup.wire, &setup.browser);
    assert_eq!(setup.write_over(Mode::Swallow).await, 503);
    sleep(Duration::from_millis(20)).await;
    wire.set(Mode::Forward);
    assert_back(browser, "ada").await;
    assert_eq!(browser.get("/exists?k=a").send().await.json()["exists"], false);
}

#[tokio::test]
async fn connections_that_are_reset_are_a_503_and_make_no_storm() {
    let setup = begin().await;
    let (wire, browser) = (&setup.wire, &setup.browser);
    let before = wire.connections();
    wire.set(Mode::Reset);
    let begun = Instant::now();
    assert_out(browser).await;
    assert_out(browser).await;
    let dials = wire.connections() - before;
    // Pauses grow to a quarter of a second, of which at least half is waited.
    let most = 8 + begun.elapsed().as_millis() / 125;
    assert!(u128::from(dials) <= most, "{dials} dials in {:?}", begun.elapsed());
    wire.set(Mode::Forward);
    assert_back(browser, "ada").await;
    assert_eq!(wire.open_connections(), 1);
}

#[tokio::test]
async fn replies_that_are_always_cut_are_a_503() {
    let setup = begin().await;
    let (wire, browser) = (&setup.wire, &setup.browser);
    wire.set(Mode::CutReplies(0));
    assert_out(browser).await;
    wire.set(Mode::Forward);
    assert_back(browser, "ada").await;
}
