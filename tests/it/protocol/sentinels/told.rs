//! What is logged, one line for a cause.

use std::time::{Duration, SystemTime};

use stickless::store::{Budget, Store as _};
use tokio::time::{Instant, sleep};

use super::super::wire::{Fault, time};
use super::{moves_to, ms, on_the_first_of_two};
use crate::log::Log;

#[tokio::test]
async fn a_new_master_whose_clock_is_off_is_warned_of_once_and_a_right_one_is_not() {
    for (ahead, warnings) in [(3600, 1), (1, 0)] {
        let (log, _guard) = Log::start();
        let (_a, b, council) = on_the_first_of_two().await;
        let store = council.store(council.builder(3)).await;
        let later = SystemTime::now() + Duration::from_secs(ahead);
        council.wire(b.port()).expect("seated").always("TIME", Fault::Answer(time(later)));
        council.switch(1, &b);
        moves_to(&store, &b).await;
        let lines = log.expect("clock_off", warnings).await;
        assert!(lines.iter().all(|line| line.contains("WARN")), "{lines:#?}");
        assert_eq!((log.lines("store_switched").len(), log.lines("ERROR").len()), (1, 0), "{:#?}", log.lines(""));
    }
}

#[tokio::test]
async fn a_password_that_is_wrong_after_a_restart_is_told_though_the_lost_connection_was() {
    let (log, _guard) = Log::start();
    let (a, _b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3)).await;
    let wire = council.wire(a.port()).expect("seated");
    wire.always("PING", Fault::Answer("-WRONGPASS invalid username-password pair or user is disabled.\r\n".into()));
    wire.next("ROLE", [Fault::Close]);
    store.ping(&Budget::default()).await.expect_err("it is not let in");
    let lines = log.expect("store_down", 2).await;
    assert!(lines[1].contains("WRONGPASS"), "{lines:#?}");
}

#[tokio::test]
async fn sentinels_that_fall_silent_and_come_back_are_a_line_each() {
    let (log, _guard) = Log::start();
    let (_a, _b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3)).await;
    log.expect("Sentinel", 0).await;
    let ask = async || drop(crate::contract::subject::Subject::new(&store).try_load().await);
    for number in [1, 2, 3] {
        council.sentinel(number).away = true;
        // A question is what makes the silence seen, here as with a Sentinel that hangs.
        sleep(ms(1000)).await;
        ask().await;
        log.expect("Sentinel", number).await;
    }
    council.each(|sentinel| sentinel.away = false);
    let begun = Instant::now();
    while log.lines("all 3 Sentinels answer").is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(7), "{:#?}", log.lines(""));
        sleep(ms(5)).await;
    }
    let lines = log.lines("Sentinel");
    for (line, text) in lines.iter().zip(["2 of 3 Sentinels", "1 of 3 Sentinels", "no Sentinel answers"]) {
        assert!(line.contains(text), "{lines:#?}");
    }
}
