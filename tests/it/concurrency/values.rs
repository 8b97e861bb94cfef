//! No update is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Answer, Browser, Fleet, PATIENT};

/// Three instances, and a user with a session.
async fn begin(env: &[(&str, &str)]) -> (Fleet, Browser) {
    let fleet = Fleet::start_with(3, env).await;
    let browser = fleet.browser();
    assert_eq!(browser.post("/set?k=first&v=1").send().await.status, 204);
    (fleet, browser)
}

/// Sends them all at once, each to the next instance.
async fn at_once(fleet: &Fleet, browser: &Browser, paths: impl IntoIterator<Item = String>) -> Vec<Answer> {
    let send = |(turn, path): (usize, String)| {
        let browser = browser.at(fleet.url(turn));
        if path.starts_with("/count") { browser.get(&path).send() } else { browser.post(&path).send() }
    };
    join_all(paths.into_iter().enumerate().map(send)).await
}

/// All have this status, and none says anything about the cookie.
#[track_caller]
fn assert_all(answers: &[Answer], status: u16) {
    let mut others = BTreeMap::<u16, u32>::new();
    for answer in answers.iter().filter(|answer| answer.status != status) {
        *others.entry(answer.status).or_default() += 1;
    }
    assert!(others.is_empty(), "of {} answers: {others:?}", answers.len());
    assert!(answers.iter().all(|answer| answer.set_cookies().is_empty()));
}

#[tokio::test]
async fn of_300_parallel_additions_each_has_its_own_sum() {
    let (fleet, browser) = begin(&PATIENT).await;
    let answers = at_once(&fleet, &browser, (0..300).map(|_| "/count".to_owned())).await;
    let sums: BTreeSet<u64> = answers.iter().filter_map(|answer| answer.json()["count"].as_u64()).collect();
    assert_eq!(sums, (1..=300).collect());
    assert_all(&answers, 200);
    assert_eq!(browser.get("/me").send().await.json()["count"], 300);
}

#[tokio::test]
async fn parallel_changes_of_different_keys_are_all_kept() {
    let (fleet, browser) = begin(&PATIENT).await;
    let old = at_once(&fleet, &browser, (0..100).map(|number| format!("/set?k=old{number}&v=1"))).await;
    assert_all(&old, 204);
    let changes = (0..400).map(|number| match number % 4 {
        0 => format!("/unset?k=old{}", number / 4),
        _ => format!("/set?k=new{number}&v={number}"),
    });
    let answers = at_once(&fleet, &browser, changes).await;
    assert_all(&answers, 204);
    let mut wanted = serde_json::Map::from_iter([("first".to_owned(), json!("1"))]);
    wanted.extend((0..400).filter(|number| number % 4 > 0).map(|n| (format!("new{n}"), json!(n.to_string()))));
    let dump = browser.get("/dump").send().await.json();
    assert_eq!(dump["data"].as_object(), Some(&wanted));
}

#[tokio::test]
async fn parallel_updates_of_one_value_are_exact() {
    // The smallest crowd stays within the default limits, too.
    for (count, env) in [(50, &[][..]), (100, &PATIENT), (300, &PATIENT)] {
        let (fleet, browser) = begin(env).await;
        let begun = Instant::now();
        let paths = (0..count).map(|number| format!("/append?k=list{count}&v={number}"));
        let answers = at_once(&fleet, &browser, paths).await;
        println!("{count} parallel appends took {:?}", begun.elapsed());
        assert_all(&answers, 200);
        let lengths: BTreeSet<u64> = answers.iter().filter_map(|answer| answer.json()["length"].as_u64()).collect();
        assert_eq!(lengths, (1..=count).collect());
        let dump = browser.get("/dump").send().await.json();
        let list = dump["data"][format!("list{count}")].as_array().expect("a list").clone();
        let values: BTreeSet<String> = list.iter().filter_map(|value| value.as_str()).map(str::to_owned).collect();
        assert_eq!(values, (0..count).map(|number| number.to_string()).collect());
        assert_eq!(list.len(), values.len());
        // Else the work grows with the square of the crowd, and a larger one runs out of time.
        let writes = scripts_run(&fleet).await;
        assert!(writes <= 10 * count, "{writes} writes for {count} appends");
    }
}

async fn scripts_run(fleet: &Fleet) -> u64 {
    let stats = fleet.redis.cli(&["INFO", "commandstats"]).await;
    let calls = stats.split("cmdstat_evalsha:calls=").nth(1).and_then(|rest| rest.split(',').next());
    calls.and_then(|calls| calls.parse().ok()).expect("a number of calls")
}

#[tokio::test]
async fn two_instances_that_change_different_keys_both_win() {
    let (fleet, browser) = begin(&PATIENT).await;
    for round in 0..20 {
        // Both have read the session before either writes.
        let paths = ["a", "b"].map(|key| format!("/slow?ms=20&k={key}&v={round}"));
        let answers = join_all((0..2).map(|turn| browser.at(fleet.url(turn)).get(&paths[turn]).send())).await;
        assert!(answers.iter().all(|answer| answer.status == 204));
        let data = browser.at(fleet.url(2)).get("/dump").send().await.json();
        assert_eq!(data["data"], json!({ "first": "1", "a": round.to_string(), "b": round.to_string() }));
    }
}

#[tokio::test]
async fn a_removal_is_not_undone_by_a_request_that_read_the_value_before() {
    let (fleet, browser) = begin(&PATIENT).await;
    browser.post("/set?k=gone&v=1").send().await;
    let monitor = fleet.redis.monitor().await;
    let slow = tokio::spawn(browser.at(fleet.url(1)).get("/slow?ms=500&k=a&v=1").send());
    monitor.heard("\"HGETALL\" \"stickless:s:", 1).await;
    browser.post("/unset?k=gone").send().await;
    assert_eq!(slow.await.expect("no panic").status, 204);
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "first": "1", "a": "1" } }));
}

#[tokio::test]
async fn a_value_that_many_take_at_once_is_gone_and_no_newer_value_with_it() {
    let (fleet, browser) = begin(&PATIENT).await;
    for round in 0..10 {
        browser.post(&format!("/set?k=flash&v=old{round}")).send().await;
        let paths = (0..20).map(|number| match number {
            10 => format!("/set?k=flash&v=new{round}"),
            _ => "/take?k=flash".to_owned(),
        });
        let answers = at_once(&fleet, &browser, paths).await;
        assert!(answers.iter().all(|answer| answer.status < 300));
        let taken = |value: &str| {
            let has = |answer: &Answer| answer.status == 200 && answer.json()["value"] == value;
            answers.iter().any(has)
        };
        assert!(taken(&format!("old{round}")) || taken(&format!("new{round}")));
        // What was set meanwhile was taken by somebody, or is still there.
        let left = browser.post("/take?k=flash").send().await.json()["value"].clone();
        let new = format!("new{round}");
        assert!(left == new.as_str() || (left.is_null() && taken(&new)), "{left}");
    }
}

#[tokio::test]
async fn a_log_out_on_one_instance_wins_over_slow_requests_on_the_others() {
    let (fleet, browser) = begin(&PATIENT).await;
    browser.post("/login?user=ada").send().await;
    let monitor = fleet.redis.monitor().await;
    let slow: Vec<_> = (0..6)
        .map(|turn| {
            let path = if turn % 2 == 0 { "/slow?ms=1000&k=a&v=b" } else { "/slow-read?ms=1000" };
            tokio::spawn(browser.at(fleet.url(turn)).get(path).send())
        })
        .collect();
    monitor.heard("\"HGETALL\" \"stickless:s:", 6).await;
    assert_eq!(browser.post("/logout").send().await.set_cookies().len(), 1);
    for (turn, slow) in slow.into_iter().enumerate() {
        let answer = slow.await.expect("no panic");
        let expected = if turn % 2 == 0 { 409 } else { 200 };
        assert_eq!((answer.status, answer.set_cookies().len()), (expected, 0), "{turn}");
    }
    assert_eq!(browser.cookie(), None);
    let [key] = &fleet.redis.records().await[..] else { panic!("one tombstone") };
    assert_eq!(fleet.redis.cli(&["HEXISTS", key, "t"]).await, "1");
}
