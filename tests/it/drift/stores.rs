//! Drift where several instances share a store that can be in trouble.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{BEHIND_A_PROXY, counts, events, events_of, from, handle, let_settle};
use crate::harness::{Browser, Fleet, Instance, PATIENT, record_key};
use crate::until;

async fn fleet(count: u8) -> Fleet {
    Fleet::start_with(count, &[&BEHIND_A_PROXY[..], &PATIENT].concat()).await
}

/// A session of a client at 192.0.2.1.
async fn begin(fleet: &Fleet) -> (Browser, String) {
    let browser = fleet.browser();
    assert_eq!(from(browser.get("/count"), "192.0.2.1").send().await.status, 200);
    let session = handle(&browser);
    (browser, session)
}

#[tokio::test]
async fn parallel_requests_from_a_new_address_on_three_instances_are_one_event() {
    let fleet = fleet(3).await;
    let instances: Vec<&Instance> = fleet.instances.iter().collect();
    let (browser, session) = begin(&fleet).await;
    for round in 1..=10 {
        let address = format!("198.51.{round}.1");
        let requests = (0..20).map(|turn| from(browser.at(fleet.url(turn)).get("/me"), &address).send());
        for answer in join_all(requests).await {
            assert_eq!((answer.status, &answer.json()["session"]), (200, &json!(true)));
        }
        let events = events_of(&instances, &session, round).await;
        assert_eq!(events.len(), round, "{events:#?}");
        assert!(events.iter().any(|event| event["to"] == address && event["times"] == round), "{events:#?}");
    }
    let_settle().await;
    assert_eq!(counts(&events(instances)), [(session, 10)].into());
}

#[tokio::test]
async fn a_session_that_alternates_is_told_of_once_and_writes_once() {
    let fleet = fleet(3).await;
    let (browser, session) = begin(&fleet).await;
    let instances: Vec<&Instance> = fleet.instances.iter().collect();
    let monitor = fleet.redis.monitor().await;
    for turn in 0..30 {
        let address = ["2001:db8::1", "192.0.2.1"][turn % 2];
        assert_eq!(from(browser.at(fleet.url(turn)).get("/me"), address).send().await.status, 200);
        if turn == 0 {
            events_of(&instances, &session, 1).await;
        }
    }
    let_settle().await;
    let lines = monitor.stop().await;
    assert_eq!(lines.iter().filter(|line| line.contains("\"EVALSHA\"")).count(), 1, "{lines:#?}");
    assert_eq!(events(instances).len(), 1);
}

#[tokio::test]
async fn an_event_says_whose_session_it_is_and_how_often_it_changed() {
    let fleet = fleet(1).await;
    let (browser, session) = begin(&fleet).await;
    from(browser.post("/login?user=Zo%C3%AB%1B"), "192.0.2.1").send().await;
    let mut events = Vec::new();
    for (change, address) in [(1, "198.51.100.1"), (2, "198.51.100.2")] {
        from(browser.get("/me"), address).send().await;
        // It is noted beside the answer: the next one is a change from it only when it was.
        events = events_of(&[&fleet.instances[0]], &session, change).await;
    }
    let second = events.iter().find(|event| event["to"] == "198.51.100.2").expect("an event of the second change");
    let told = ["event", "what", "from", "to", "distance", "session", "user", "times", "level"];
    let told = told.map(|name| second[name].clone());
    let wanted = [
        json!("drift"),
        json!("address"),
        json!("198.51.100.1"),
        json!("198.51.100.2"),
        json!("same_network"),
        json!(session),
        json!("Zo\\u{eb}\\u{1b}"),
        json!(2),
        json!("INFO"),
    ];
    assert_eq!(told, wanted, "{second:#}");
}

#[tokio::test]
async fn a_log_in_from_another_address_is_one_event_and_its_cookie_stands() {
    let fleet = fleet(2).await;
    let instances: Vec<&Instance> = fleet.instances.iter().collect();
    let (browser, session) = begin(&fleet).await;
    from(browser.post("/login?user=ada"), "198.51.100.1").send().await;
    for turn in 0..4 {
        let me = from(browser.at(fleet.url(turn)).get("/me"), "198.51.100.1").send().await;
        assert_eq!(me.json()["user"], "ada");
    }
    assert_eq!(events_of(&instances, &session, 1).await.len(), 1);
    // A session that a log-in begins is seen with the log-in's own address.
    let fresh = fleet.browser();
    from(fresh.post("/login?user=bob"), "203.0.113.1").send().await;
    from(fresh.get("/me"), "203.0.113.1").send().await;
    let_settle().await;
    assert_eq!(counts(&events(instances)), [(session, 1)].into());
}

#[tokio::test]
async fn a_superseded_cookie_from_elsewhere_is_no_event_and_changes_nothing() {
    let fleet = fleet(1).await;
    let (browser, _) = begin(&fleet).await;
    let stale = Browser::new(fleet.url(0));
    let old = browser.cookie().expect("a session");
    stale.set_cookie("sid", old.split_once('=').expect("a pair").1);
    from(browser.post("/login?user=ada"), "192.0.2.1").send().await;
    let before = fleet.redis.hash(&record_key(&old)).await;
    from(stale.get("/me"), "198.51.100.1").send().await;
    let_settle().await;
    assert_eq!(fleet.redis.hash(&record_key(&old)).await, before);
    assert_eq!(events(&fleet.instances).len(), 0);
}

#[tokio::test]
async fn a_record_of_the_previous_version_is_filled_silently_and_watched_from_then_on() {
    let fleet = fleet(1).await;
    let (browser, session) = begin(&fleet).await;
    let key = record_key(&browser.cookie().expect("a session"));
    fleet.redis.cli(&["HDEL", &key, "a", "h", "d"]).await;
    from(browser.get("/me"), "198.51.100.1").send().await;
    let noted = async || fleet.redis.hash(&key).await.get("a").is_some_and(|address| address == "198.51.100.1");
    until("its address is noted", noted).await;
    let_settle().await;
    assert_eq!(events(&fleet.instances).len(), 0);
    from(browser.get("/me"), "198.51.100.2").send().await;
    let events = events_of(&[&fleet.instances[0]], &session, 1).await;
    assert_eq!((&events[0]["from"], &events[0]["to"]), (&json!("198.51.100.1"), &json!("198.51.100.2")));
}

#[tokio::test]
async fn broken_notes_of_what_was_seen_lose_no_session() {
    let fleet = fleet(1).await;
    let (browser, session) = begin(&fleet).await;
    let key = record_key(&browser.cookie().expect("a session"));
    fleet.redis.cli(&["HSET", &key, "a", "\n\n", "d", "never", "h", "\u{1}"]).await;
    for address in ["198.51.100.1", "198.51.100.2"] {
        let me = from(browser.get("/me"), address).header("user-agent", "curl/8").send().await;
        assert_eq!((me.status, &me.json()["session"]), (200, &json!(true)));
        let noted = async || fleet.redis.hash(&key).await.get("a").is_some_and(|known| known.starts_with(address));
        until("its address is noted", noted).await;
    }
    let is_second = |event: &Value| event["session"] == session && event["to"] == "198.51.100.2";
    until("the second is told", async || events(&fleet.instances).iter().any(is_second)).await;
}

#[tokio::test]
async fn a_store_that_refuses_writes_tells_nothing_and_once_it_takes_them_tells_once() {
    let fleet = fleet(2).await;
    let instances: Vec<&Instance> = fleet.instances.iter().collect();
    let (browser, session) = begin(&fleet).await;
    fleet.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for turn in 0..4 {
        let me = from(browser.at(fleet.url(turn)).get("/me"), "198.51.100.1").send().await;
        assert_eq!((me.status, &me.json()["session"]), (200, &json!(true)));
    }
    let_settle().await;
    assert_eq!(events(instances.iter().copied()).len(), 0);
    fleet.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    for turn in 0..4 {
        from(browser.at(fleet.url(turn)).get("/me"), "198.51.100.1").send().await;
    }
    events_of(&instances, &session, 1).await;
    let_settle().await;
    assert_eq!(counts(&events(instances)), [(session, 1)].into());
}

#[tokio::test]
async fn with_drift_off_nothing_is_kept_and_nothing_told() {
    let env = [("SESSION_IDLE", "3600"), ("DRIFT", "off")];
    let fleet = Fleet::start_with(1, &[&BEHIND_A_PROXY[..], &env].concat()).await;
    let (browser, _) = begin(&fleet).await;
    from(browser.get("/me"), "198.51.100.1").header("user-agent", "curl/8").send().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let record = fleet.redis.hash(&record_key(&browser.cookie().expect("a session"))).await;
    assert!(["a", "h", "d"].iter().all(|field| !record.contains_key(*field)), "{record:?}");
    assert_eq!(events(&fleet.instances).len(), 0);
}
