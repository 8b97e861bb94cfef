//! How many sessions a user may have, exactly.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::{alive, assert_all_have_a_deadline, devices, ended, logged_in, patient, user};
use crate::harness::{Answer, Browser, Fleet, Store};
use crate::lifecycle::of_sessions;
use crate::unhurried;

/// Rounds of the races; `STICKLESS_ROUNDS` asks for more.
fn rounds() -> usize {
    std::env::var("STICKLESS_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(8)
}

/// So many log-ins at the same time, over all instances.
async fn at_once<S: Store>(fleet: &Fleet<S>, count: usize, user: &str) -> Vec<(Browser, Option<Answer>)> {
    let log_ins = (0..count).map(|turn| {
        let browser = Browser::new(fleet.url(turn));
        let request = browser.post(&format!("/login?user={user}"));
        async move { (browser, request.try_send().await.ok()) }
    });
    join_all(log_ins).await
}

fn with_status(answers: &[(Browser, Option<Answer>)], status: u16) -> Vec<Browser> {
    let has = |answer: &Option<Answer>| answer.as_ref().is_some_and(|answer| answer.status == status);
    answers.iter().filter(|(_, answer)| has(answer)).map(|(browser, _)| browser.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_log_ins_at_once_a_cap_of_one_that_evicts_leaves_exactly_one() {
    let fleet = Fleet::start_with(3, &patient(&[("SESSION_CAP", "1:evict")])).await;
    evicts_all_but_one(&fleet, rounds()).await;
    assert_all_have_a_deadline(&fleet.redis).await;
}

async fn evicts_all_but_one<S: Store>(fleet: &Fleet<S>, rounds: usize) {
    for round in 0..rounds {
        let answers = at_once(fleet, 50, "ada").await;
        let (came, lost) = (with_status(&answers, 204), with_status(&answers, 409));
        assert_eq!(came.len() + lost.len(), 50);
        assert!(lost.iter().all(|browser| browser.cookie().is_none()), "round {round}");
        assert_eq!(alive(fleet, &came).await, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_log_ins_at_once_a_cap_of_one_that_refuses_admits_exactly_one() {
    let fleet = Fleet::start_with(3, &patient(&[("SESSION_CAP", "1:refuse")])).await;
    admits_one_alone(&fleet, rounds()).await;
    assert_all_have_a_deadline(&fleet.redis).await;
}

async fn admits_one_alone<S: Store>(fleet: &Fleet<S>, rounds: usize) {
    for round in 0..rounds {
        let answers = at_once(fleet, 50, "ada").await;
        let (came, refused) = (with_status(&answers, 204), with_status(&answers, 403));
        assert_eq!((came.len(), refused.len()), (1, 49), "round {round}");
        assert_eq!(alive(fleet, &came).await, 1, "round {round}");
        assert_eq!(came[0].post("/logout").send().await.status, 204);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_sentinel_and_on_a_cluster_a_cap_of_one_is_as_exact() {
    let (evict, refuse) = (patient(&[("SESSION_CAP", "1:evict")]), patient(&[("SESSION_CAP", "1:refuse")]));
    let rounds = rounds().div_ceil(4);
    let mut replicated = Fleet::start_on(unhurried::replicated(&[]).await, 3, &evict).await;
    evicts_all_but_one(&replicated, rounds).await;
    replicated = Fleet::start_on(replicated.redis, 3, &refuse).await;
    assert_eq!(replicated.browser().get("/readyz").send().await.status, 200);
    clear(&replicated).await;
    admits_one_alone(&replicated, rounds).await;
    drop(replicated);

    let mut cluster = Fleet::start_on(unhurried::cluster(&[]).await, 3, &evict).await;
    evicts_all_but_one(&cluster, rounds).await;
    cluster = Fleet::start_on(cluster.redis, 3, &refuse).await;
    clear(&cluster).await;
    admits_one_alone(&cluster, rounds).await;
}

/// Ends the one session that is left.
async fn clear<S: Store>(fleet: &Fleet<S>) {
    let users = stickless::Users::new(stickless::store::RedisStore::connect(&fleet.redis.url()).expect("a store"));
    assert_eq!(users.end_all("ada").await.expect("the store answers"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_of_three_is_as_exact_as_one_of_one() {
    for (cap, admitted) in [("3:evict", None), ("3:refuse", Some(3))] {
        let fleet = Fleet::start_with(3, &patient(&[("SESSION_CAP", cap)])).await;
        for round in 0..rounds().div_ceil(4) {
            let answers = at_once(&fleet, 30, &format!("ada{round}")).await;
            let came = with_status(&answers, 204);
            assert_eq!(alive(&fleet, &came).await, 3, "{cap}");
            assert!(admitted.is_none_or(|admitted| came.len() == admitted), "{cap}: {}", came.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_killed_in_the_middle_exceeds_no_cap() {
    for cap in ["1:evict", "1:refuse"] {
        let mut fleet = Fleet::start_with(3, &patient(&[("SESSION_CAP", cap)])).await;
        for round in 0..rounds().div_ceil(2) {
            let name = format!("ada{round}");
            let killing = async {
                tokio::time::sleep(Duration::from_millis(u64::try_from(round).expect("few") * 3)).await;
                fleet.instances[2].kill();
            };
            let (answers, ()) = tokio::join!(at_once(&fleet, 50, &name), killing);
            fleet.instances[2].restart().await;
            let came = with_status(&answers, 204);
            assert!(alive(&fleet, &came).await <= 1, "{cap}, round {round}");
            if cap == "1:evict" {
                let newest = logged_in(&fleet, 0, &name).await;
                assert_eq!(alive(&fleet, &came).await, 0, "round {round}");
                assert_eq!(devices(&newest).await.len(), 1, "round {round}");
            }
        }
        assert_all_have_a_deadline(&fleet.redis).await;
    }
}

#[tokio::test]
async fn the_oldest_is_evicted_and_learns_why() {
    let fleet = Fleet::start_with(3, &[("SESSION_CAP", "2:evict")]).await;
    let first = logged_in(&fleet, 0, "ada").await;
    let second = logged_in(&fleet, 1, "ada").await;
    // Logging in again keeps its place: it is still the oldest.
    first.post("/login?user=ada").send().await;
    let third = logged_in(&fleet, 2, "ada").await;
    let me = first.get("/me").send().await;
    assert_eq!((me.json()["reason"].clone(), me.set_cookies().len()), (json!("evicted"), 0));
    assert_eq!((user(&second).await, user(&third).await), (json!("ada"), json!("ada")));
    assert_eq!(devices(&third).await.len(), 2);
    assert_eq!(first.post("/set?k=a&v=1").send().await.status, 409);
    // And comes back by logging in, at the cost of the next.
    assert_eq!(first.post("/login?user=ada").send().await.status, 204);
    assert_eq!(second.get("/me").send().await.json()["reason"], "evicted");
    assert_eq!(user(&third).await, "ada");
    // A log-out makes room, so that nobody needs to go.
    third.post("/logout").send().await;
    logged_in(&fleet, 0, "ada").await;
    assert_eq!(user(&first).await, "ada");
}

#[tokio::test]
async fn a_newcomer_beyond_the_cap_is_refused_and_keeps_what_they_had() {
    let fleet = Fleet::start_with(2, &[("SESSION_CAP", "2:refuse")]).await;
    let [first, second] = [logged_in(&fleet, 0, "ada").await, logged_in(&fleet, 1, "ada").await];
    let newcomer = fleet.browser();
    newcomer.post("/set?k=cart&v=tea").send().await;
    let answer = newcomer.post("/login?user=ada").send().await;
    assert_eq!((answer.status, answer.set_cookies().len()), (403, 0));
    assert_eq!(newcomer.get("/dump").send().await.json(), json!({ "data": { "cart": "tea" } }));
    assert_eq!(newcomer.get("/me").send().await.json()["user"], json!(null));
    assert_eq!(newcomer.post("/login?user=bob").send().await.status, 204, "as somebody else they come in");
    // Whoever is in may log in again.
    assert_eq!(first.at(fleet.url(1)).post("/login?user=ada").send().await.status, 204);
    second.post("/logout").send().await;
    assert_eq!(logged_in(&fleet, 0, "ada").await.get("/me").send().await.status, 200);
    // A session that ended without a log-out makes room too.
    let key = crate::harness::record_key(&first.cookie().expect("logged in"));
    fleet.redis.cli(&["DEL", &key]).await;
    assert_eq!(fleet.browser().post("/login?user=ada").send().await.status, 204);
    assert_eq!(fleet.browser().post("/login?user=ada").send().await.status, 403);
    let last = logged_in(&fleet, 0, "bob").await;
    assert_eq!(ended(&last.post("/logout-everywhere").send().await), 2);
}

#[tokio::test]
async fn a_refusal_costs_no_more_than_a_look_at_those_who_are_in() {
    let fleet = Fleet::start_with(1, &patient(&[("SESSION_CAP", "1:refuse")])).await;
    let _in = logged_in(&fleet, 0, "ada").await;
    let monitor = fleet.redis.monitor().await;
    let refused = join_all((0..50).map(|_| fleet.browser().post("/login?user=ada").send())).await;
    assert!(refused.iter().all(|answer| answer.status == 403));
    // A place is asked for, in vain, and the record of the one who is in is read: nothing of that again and again.
    let lines = monitor.stop().await;
    let sent: Vec<_> = of_sessions(&lines).filter(|line| !line.contains(" lua] ")).collect();
    let asked = |command: &str| sent.iter().filter(|line| line.contains(&format!("] \"{command}\""))).count();
    assert_eq!((asked("EVALSHA"), asked("HGETALL")), (50, 50), "{lines:#?}");
}
