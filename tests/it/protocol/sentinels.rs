//! What the Sentinels say, and when: to the millisecond, which real ones do not allow.

mod council;
mod leaving;
mod told;

use std::time::Duration;

use stickless::UnavailableKind;
use stickless::store::{Budget, Loaded, RedisStore, Store};
use tokio::time::{Instant, sleep};

use self::council::Council;
use crate::contract::subject::{Subject, add, done};
use crate::harness::RedisServer;
use crate::until;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// How long a store that is told of a switch may take for it: much less than until the Sentinels would be asked,
/// which is not before 3.75 s, or as long as a few looks take on a slow machine. A look is two processes and a write.
async fn at_once(store: &RedisStore, server: &RedisServer) -> Duration {
    let begun = Instant::now();
    is_on(store, server).await;
    ms(1000).max(begun.elapsed() * 5)
}

/// Writes until a write is on this server; how long it took.
async fn moves_to(store: &RedisStore, server: &RedisServer) -> Duration {
    let begun = Instant::now();
    while !is_on(store, server).await {
        assert!(begun.elapsed() < Duration::from_secs(5), "it does not move");
        sleep(ms(2)).await;
    }
    begun.elapsed()
}

/// Whether a write goes to this server.
async fn is_on(store: &RedisStore, server: &RedisServer) -> bool {
    let size = async || server.cli(&["DBSIZE"]).await;
    let before = size().await;
    Subject::with(store, &[]).await;
    size().await != before
}

async fn servers() -> (RedisServer, RedisServer) {
    tokio::join!(RedisServer::start(), RedisServer::start())
}

/// Two masters: which one is right, the Sentinels say.
async fn on_the_first_of_two() -> (RedisServer, RedisServer, Council) {
    let (a, b) = servers().await;
    let council = Council::on(&a);
    council.seat(&b);
    (a, b, council)
}

#[tokio::test]
async fn an_announced_switch_is_followed_at_once_and_a_repeated_one_is_no_news() {
    let (a, b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3)).await;
    let limit = at_once(&store, &a).await;
    for number in [1, 2, 3] {
        council.switch(number, &b);
        let took = moves_to(&store, &b).await;
        assert!(took < limit, "{took:?} of {limit:?}");
    }
    let clients = b.cli(&["CLIENT", "LIST"]).await;
    assert_eq!(clients.matches("name=stickless").count(), 1, "{clients}");
}

#[tokio::test]
async fn after_an_announced_switch_the_answers_of_sentinels_that_lag_behind_are_not_acted_on() {
    let (_a, b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3)).await;
    council.switch(2, &b);
    moves_to(&store, &b).await;
    for _ in 0..2 {
        // It makes them all be asked.
        let failed = Subject::new(&store).try_load().await.expect_err("they name another");
        assert_eq!(failed.kind(), UnavailableKind::Unconfirmed);
        assert!(is_on(&store, &b).await);
    }
}

#[tokio::test]
async fn without_an_announcement_the_newest_configuration_is_found_when_the_sentinels_are_asked() {
    let (a, b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3)).await;
    for number in [2, 3] {
        (council.sentinel(number).master, council.sentinel(number).epoch) = (Some(b.port()), 2);
    }
    assert!(is_on(&store, &a).await);
    // A miss makes them be asked once what they said last is a second old, and is not believed of the old node.
    sleep(ms(1000)).await;
    assert_eq!(Subject::new(&store).load().await, Loaded::Missing);
    assert!(is_on(&store, &b).await);
}

#[tokio::test]
async fn a_switch_interrupts_an_attempt_that_hangs() {
    let (a, b, council) = on_the_first_of_two().await;
    let builder = council.builder(3).connect_timeout(Duration::from_secs(60)).attempts(1).timeout(ms(30));
    let store = council.store(builder).await;
    let subject = Subject::with(&store, &[]).await;
    a.freeze();
    while store.watch().borrow().eq(&stickless::store::LinkState::Up) {
        subject.try_load().await.expect_err("frozen");
    }
    sleep(ms(100)).await;
    council.switch(1, &b);
    // The attempt may hang for a minute.
    let took = moves_to(&store, &b).await;
    assert!(took < ms(1000), "{took:?}");
    a.thaw();
}

#[tokio::test]
async fn a_flood_of_errors_does_not_delay_a_switch() {
    let (a, b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3).budget(ms(10_000))).await;
    let subject = Subject::with(&store, &[]).await;
    a.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
    let flood =
        futures_util::future::join_all((0..200).map(|_| subject.try_act(1, stickless::store::Act::Apply(add("n", 1)))));
    let (_, took) = tokio::join!(flood, async {
        sleep(ms(20)).await;
        council.switch(3, &b);
        moves_to(&store, &b).await
    });
    // Less than the calls of the flood may take: it does not wait for them.
    assert!(took < ms(3000), "{took:?}");
}

#[tokio::test]
async fn a_selected_replica_is_used_as_soon_as_it_is_promoted_where_that_is_wanted() {
    for early in [true, false] {
        let (a, b, council) = on_the_first_of_two().await;
        b.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
        let store = council.store(council.builder(3).early_switch(early)).await;
        let limit = at_once(&store, &a).await;
        let slave = format!("slave node:{0} node {0} @ main node {1}", b.port(), a.port());
        council.announce(1, "+selected-slave", &slave);
        sleep(ms(50)).await;
        assert!(is_on(&store, &a).await, "it is a replica still");
        b.cli(&["REPLICAOF", "NO", "ONE"]).await;
        if early {
            let took = moves_to(&store, &b).await;
            assert!(took < limit, "{took:?} of {limit:?}");
        } else {
            sleep(ms(100)).await;
            assert!(is_on(&store, &a).await);
        }
        council.switch(1, &b);
        moves_to(&store, &b).await;
    }
}

#[tokio::test]
async fn a_miss_needs_a_majority_of_the_sentinels_and_a_hit_none() {
    let (_a, _b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3)).await;
    let (known, unknown) = (Subject::with(&store, &[]).await, Subject::new(&store));
    assert_eq!(unknown.load().await, Loaded::Missing);
    council.sentinel(2).silent = true;
    sleep(ms(1000)).await;
    assert_eq!(unknown.load().await, Loaded::Missing);
    council.sentinel(3).away = true;
    sleep(ms(1000)).await;
    let begun = Instant::now();
    assert_eq!(unknown.try_load().await.expect_err("one of three").kind(), UnavailableKind::Unconfirmed);
    // Less than one more attempt would add to the budget.
    assert!(begun.elapsed() < ms(1240), "{:?}", begun.elapsed());
    council.sentinel(1).away = true;
    assert_eq!(unknown.try_load().await.expect_err("none").kind(), UnavailableKind::Unconfirmed);
    assert!(matches!(known.load().await, Loaded::Found(_)));
    assert_eq!(done(&known.apply(1, add("n", 1)).await).value, Some(1));
    store.ping(&Budget::default()).await.expect("the node is well");
    council.each(|sentinel| (sentinel.away, sentinel.silent) = (false, false));
    sleep(ms(1100)).await;
    assert_eq!(unknown.load().await, Loaded::Missing);
}

#[tokio::test]
async fn a_miss_is_not_believed_while_a_failover_is_announced() {
    let (a, _b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3)).await;
    let unknown = Subject::new(&store);
    let doubtful = async || match unknown.try_load().await {
        Ok(loaded) => {
            assert_eq!(loaded, Loaded::Missing);
            false
        }
        Err(cause) => cause.kind() == UnavailableKind::Unconfirmed,
    };
    council.announce(3, "+try-failover", &format!("master main node {}", a.port()));
    until("the failover is heard of", doubtful).await;
    assert!(doubtful().await);
    council.announce(3, "-failover-abort-no-good-slave", &format!("master main node {}", a.port()));
    until("its end is heard of", async || !doubtful().await).await;
    assert_eq!(unknown.load().await, Loaded::Missing);
    council.sentinel(2).flags = "master,failover_in_progress";
    sleep(ms(1000)).await;
    assert!(doubtful().await);
    council.sentinel(2).flags = "master";
    assert_eq!(unknown.load().await, Loaded::Missing);
}

#[tokio::test]
async fn a_sentinel_that_does_not_reach_the_master_is_none_of_those_who_confirm_a_miss() {
    let (_a, _b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3).budget(ms(1000))).await;
    let unknown = Subject::new(&store);
    for number in [1, 2] {
        council.sentinel(number).flags = "s_down,master";
    }
    // What they said before is trusted for a second.
    sleep(ms(1000)).await;
    assert_eq!(unknown.try_load().await.expect_err("one of three").kind(), UnavailableKind::Unconfirmed);
    council.sentinel(1).flags = "master";
    assert_eq!(unknown.load().await, Loaded::Missing);
}

#[tokio::test]
async fn a_miss_waits_for_the_end_of_a_failover_within_the_budget() {
    let (a, _b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(3).budget(ms(3000))).await;
    let (unknown, master) = (Subject::new(&store), format!("master main node {}", a.port()));
    council.announce(3, "+try-failover", &master);
    sleep(ms(20)).await;
    let (loaded, ()) = tokio::join!(unknown.load(), async {
        sleep(ms(800)).await;
        council.announce(3, "-failover-abort-no-good-slave", &master);
    });
    assert_eq!(loaded, Loaded::Missing);
}

#[tokio::test]
async fn sentinels_that_are_not_in_the_url_are_learned_and_listened_to() {
    let (a, b, council) = on_the_first_of_two().await;
    let store = council.store(council.builder(1)).await;
    let limit = at_once(&store, &a).await;
    council.sentinel(1).away = true;
    council.switch(3, &b);
    let took = moves_to(&store, &b).await;
    assert!(took < limit, "{took:?} of {limit:?}");
}

#[tokio::test]
async fn a_frozen_sentinel_costs_nothing() {
    let (a, _b, council) = on_the_first_of_two().await;
    let start = async || {
        let begun = Instant::now();
        let store = council.builder(3).build().expect("a store");
        store.ping(&Budget::default()).await.expect("the store answers");
        (store, begun.elapsed())
    };
    let (_, usual) = start().await;
    council.sentinel(1).silent = true;
    let mut took = Duration::MAX;
    for _ in 0..3 {
        let (store, this) = start().await;
        // What else the machine does can only add to it.
        took = took.min(this);
        assert!(is_on(&store, &a).await);
    }
    // Whoever waits for it does so for the time-out of a connection, or of a request.
    assert!(took < usual + ms(200), "{took:?}, {usual:?} with all of them");
}

#[tokio::test]
async fn the_sentinels_have_credentials_of_their_own() {
    let (_a, _b, council) = on_the_first_of_two().await;
    council.store(council.builder(3)).await;
    assert_eq!(council.sentinel(2).hello[1..], ["3", "AUTH", "us", "pass"]);
}

#[tokio::test]
async fn a_service_that_no_sentinel_knows_is_named() {
    let (_a, _b, council) = on_the_first_of_two().await;
    council.each(|sentinel| sentinel.master = None);
    let store = council.builder(3).budget(ms(1000)).build().expect("a store");
    let failed = store.ping(&Budget::default()).await.expect_err("no master");
    let source = std::error::Error::source(&failed).expect("a cause").to_string();
    assert!(source.contains("3 of 3 Sentinels answer, and none knows a master of \"main\""), "{source}");
}

#[tokio::test]
async fn sentinels_that_refuse_to_answer_are_told_with_their_reason() {
    let (_a, _b, council) = on_the_first_of_two().await;
    council.each(|sentinel| sentinel.away = true);
    let store = council.builder(3).budget(ms(1000)).build().expect("a store");
    let failed = store.ping(&Budget::default()).await.expect_err("no Sentinel");
    let source = std::error::Error::source(&failed).expect("a cause").to_string();
    assert_eq!(source, "none of 3 Sentinels answers: connection refused");
}

#[tokio::test]
async fn all_conversations_end_with_the_store() {
    let (_a, _b, council) = on_the_first_of_two().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let store = council.store(council.builder(1)).await;
    drop(store);
    let begun = Instant::now();
    while tasks() > before {
        assert!(begun.elapsed() < Duration::from_secs(5), "{} tasks", tasks());
        sleep(ms(5)).await;
    }
}
