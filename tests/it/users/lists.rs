//! Who is listed, and what ends one of them.

use futures_util::future::join_all;
use serde_json::json;

use super::{alive, assert_all_have_a_deadline, devices, ended, logged_in, many, own, user};
use crate::harness::{Browser, Fleet, Store, percent, record_key};
use crate::{unhurried, until};

/// More than a failover takes that nobody asked for.
const BUDGET: [(&str, &str); 1] = [("STORE_BUDGET_MS", "8000")];

#[tokio::test]
async fn twenty_sessions_are_listed_and_one_the_others_and_all_are_ended() {
    let fleet = Fleet::start(3).await;
    listed_and_ended(&fleet).await;
    assert_all_have_a_deadline(&fleet.redis).await;
}

#[tokio::test]
async fn under_sentinel_too_sessions_are_listed_and_one_the_others_and_all_are_ended() {
    let fleet = Fleet::start_on(unhurried::replicated(&[]).await, 3, &BUDGET).await;
    listed_and_ended(&fleet).await;
}

#[tokio::test]
async fn on_a_cluster_too_sessions_are_listed_and_one_the_others_and_all_are_ended() {
    let fleet = Fleet::start_on(unhurried::cluster(&[]).await, 3, &BUDGET).await;
    listed_and_ended(&fleet).await;
}

async fn listed_and_ended<S: Store>(fleet: &Fleet<S>) {
    let browsers = many(fleet, 20, "ada").await;
    let stranger = logged_in(fleet, 0, "bob").await;
    for (turn, browser) in browsers.iter().enumerate().step_by(7) {
        let list = devices(&browser.at(fleet.url(turn + 1))).await;
        assert_eq!(list.len(), 20);
        assert_eq!(list.iter().filter(|device| device["current"] == true).count(), 1);
    }
    let gone = own(&browsers[1]).await;
    assert_eq!(stranger.post(&format!("/devices/{gone}/logout")).send().await.status, 404, "another user's");
    assert_eq!(browsers[0].post("/devices/nonsense/logout").send().await.status, 404);
    let answer = browsers[0].post(&format!("/devices/{gone}/logout")).send().await;
    assert_eq!((answer.status, answer.set_cookies().len()), (204, 0));
    let me = browsers[1].at(fleet.url(2)).get("/me").send().await;
    assert_eq!((me.json()["state"].clone(), me.json()["reason"].clone()), (json!("stale"), json!("ended")));
    assert_eq!(me.set_cookies().len(), 0, "nobody but a log-out's own answer removes a cookie");
    assert_eq!(browsers[1].post("/set?k=a&v=1").send().await.status, 409);
    assert_eq!(browsers[0].post(&format!("/devices/{gone}/logout")).send().await.status, 404, "it is gone");
    assert_eq!(devices(&browsers[2]).await.len(), 19);

    let others = browsers[0].at(fleet.url(1)).post("/logout-others").send().await;
    assert_eq!((ended(&others), others.set_cookies().len()), (18, 0));
    assert_eq!((alive(fleet, &browsers).await, user(&browsers[0]).await), (1, json!("ada")));
    assert_eq!(devices(&browsers[0]).await.len(), 1);
    assert_eq!(ended(&browsers[0].post("/logout-others").send().await), 0, "repeating is safe");

    let more = many(fleet, 4, "ada").await;
    let everywhere = browsers[0].post("/logout-everywhere").send().await;
    assert_eq!(ended(&everywhere), 5);
    assert!(everywhere.set_cookies()[0].contains("Max-Age=0"), "{:?}", everywhere.set_cookies());
    assert_eq!(alive(fleet, &more).await, 0);
    assert_eq!((alive(fleet, std::slice::from_ref(&stranger)).await, devices(&stranger).await.len()), (1, 1));
    // The log-in form works at once, also with the ended cookie.
    assert_eq!(more[0].post("/login?user=ada").send().await.status, 204);
    assert_eq!(devices(&more[0]).await.len(), 1);
}

#[tokio::test]
async fn a_visitor_has_no_devices_and_ends_none() {
    let fleet = Fleet::start(1).await;
    let visitor = fleet.browser();
    assert!(devices(&visitor).await.is_empty());
    visitor.post("/set?k=cart&v=tea").send().await;
    assert!(devices(&visitor).await.is_empty());
    for path in ["/logout-everywhere", "/logout-others"] {
        let answer = visitor.post(path).send().await;
        assert_eq!((ended(&answer), answer.set_cookies().len()), (0, 0));
    }
    assert_eq!(visitor.get("/dump").send().await.json(), json!({ "data": { "cart": "tea" } }));
}

#[tokio::test]
async fn ending_ones_own_device_is_a_log_out() {
    let fleet = Fleet::start(1).await;
    let browser = logged_in(&fleet, 0, "ada").await;
    let own = own(&browser).await;
    let answer = browser.post(&format!("/devices/{own}/logout")).send().await;
    assert_eq!(answer.status, 204);
    assert!(answer.set_cookies()[0].contains("Max-Age=0"));
    assert_eq!(browser.cookie(), None);
}

#[tokio::test]
async fn a_device_shows_address_agent_and_times() {
    let env = [("CLIENT_IP_SOURCE", "x-forwarded-for"), ("TRUSTED_PROXIES", "127.0.0.0/8")];
    let fleet = Fleet::start_with(1, &env).await;
    let browser = fleet.browser();
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0";
    let seen =
        |request: crate::harness::Request| request.header("user-agent", firefox).header("x-forwarded-for", "192.0.2.7");
    seen(browser.post("/login?user=ada")).send().await;
    let list = seen(browser.get("/devices")).send().await.json();
    let device = &list[0];
    assert_eq!((&device["client_ip"], &device["user_agent"]), (&json!("192.0.2.7"), &json!("Firefox on Linux")));
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    let now = fleet.redis.cli(&["TIME"]).await;
    let now = now.lines().next().and_then(|seconds| seconds.parse::<u64>().ok()).expect("seconds") * 1000;
    for time in ["born", "seen"] {
        let time = device[time].as_u64().expect("milliseconds");
        assert!(time.abs_diff(now) < 5000, "{device}");
    }
    assert_eq!(device["id"].as_str().map(str::len), Some(22));
}

#[tokio::test]
async fn a_log_out_and_a_log_in_as_another_leave_the_list() {
    let fleet = Fleet::start(3).await;
    let [stays, leaves, switches] = [0, 1, 2].map(|turn| logged_in(&fleet, turn, "ada"));
    let (stays, leaves, switches) = (stays.await, leaves.await, switches.await);
    leaves.post("/logout").send().await;
    assert_eq!(devices(&stays).await.len(), 2);
    switches.at(fleet.url(0)).post("/login?user=bob").send().await;
    assert_eq!(devices(&stays).await.len(), 1);
    assert_eq!(devices(&switches).await.len(), 1);
    assert_eq!(ended(&stays.post("/logout-everywhere").send().await), 1);
    assert_eq!(user(&switches).await, "bob");
    // The rosters say so too, not the records alone.
    for (browser, name) in [(&switches, "bob")] {
        let members = async || fleet.redis.cli(&["KEYS", "stickless:u:*"]).await.lines().count();
        until("a roster of each", async || members().await == 2).await;
        assert_eq!(user(browser).await, name);
    }
}

#[tokio::test]
async fn logging_in_again_keeps_one_entry_and_its_data() {
    let fleet = Fleet::start(3).await;
    let browser = logged_in(&fleet, 0, "ada").await;
    browser.post("/set?k=a&v=1").send().await;
    let before = own(&browser).await;
    for turn in 0..3 {
        assert_eq!(browser.at(fleet.url(turn)).post("/login?user=ada").send().await.status, 204);
    }
    assert_eq!((own(&browser).await, devices(&browser).await.len()), (before, 1));
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "a": "1" } }));
}

#[tokio::test]
async fn user_ids_may_have_any_characters_and_a_kibibyte() {
    let fleet = Fleet::start(1).await;
    for name in ["", "a b", "{ada}:*", "\u{0}\r\n", "é\u{1F984}", &"x".repeat(1024)] {
        let browsers = many(&fleet, 2, &percent(name)).await;
        assert_eq!(user(&browsers[0]).await, name);
        assert_eq!(devices(&browsers[0]).await.len(), 2, "{name:?}");
        assert_eq!(ended(&browsers[0].post("/logout-everywhere").send().await), 2);
    }
    // Those that are no text, too: each is a user of its own.
    let bytes = |byte: u8, times: usize| format!("%{byte:02X}").repeat(times);
    let names = [bytes(0xff, 1), bytes(0xfe, 1), bytes(0xff, 1024), "%EF%9F%BF".to_owned(), "%EF%BF%BD".to_owned()];
    let mut known = Vec::new();
    for name in &names {
        let browsers = many(&fleet, 2, name).await;
        assert_eq!(devices(&browsers[0]).await.len(), 2, "{name:.12}");
        let id = user(&browsers[0]).await;
        assert!(id.is_string() && !known.contains(&id), "{name:.12}: {id}");
        known.push(id);
    }
    let too_long = fleet.browser().post(&format!("/login?user={}", "x".repeat(1025))).send().await;
    assert_eq!(too_long.status, 413);
}

#[tokio::test]
async fn a_session_that_cannot_be_ended_stays_listed_and_is_a_503_until_it_can() {
    let fleet = Fleet::start(2).await;
    let browsers = many(&fleet, 5, "ada").await;
    let key = record_key(&browsers[3].cookie().expect("logged in"));
    fleet.redis.cli(&["RENAME", &key, "aside"]).await;
    fleet.redis.cli(&["SET", &key, "no hash", "EX", "60"]).await;
    let answer = browsers[0].post("/logout-others").send().await;
    assert_eq!((answer.status, answer.set_cookies().len()), (503, 0));
    assert!(answer.headers.contains_key("retry-after"));
    fleet.redis.cli(&["RENAME", "aside", &key]).await;
    assert_eq!(devices(&browsers[0]).await.len(), 2, "all others were ended");
    assert_eq!(user(&browsers[3]).await, "ada");
    assert_eq!(ended(&browsers[0].post("/logout-others").send().await), 1);
    assert_eq!(alive(&fleet, &browsers).await, 1);
}

#[tokio::test]
async fn an_end_of_all_that_fails_can_be_repeated_by_the_session_that_asked() {
    let fleet = Fleet::start(2).await;
    let browsers = many(&fleet, 5, "ada").await;
    let key = record_key(&browsers[3].cookie().expect("logged in"));
    fleet.redis.cli(&["RENAME", &key, "aside"]).await;
    fleet.redis.cli(&["SET", &key, "no hash", "EX", "60"]).await;
    for _ in 0..2 {
        let answer = browsers[0].post("/logout-everywhere").send().await;
        assert_eq!((answer.status, answer.set_cookies().len()), (503, 0));
    }
    assert_eq!(alive(&fleet, &browsers[1..3]).await, 0, "all that could be ended are");
    fleet.redis.cli(&["RENAME", "aside", &key]).await;
    let answer = browsers[0].at(fleet.url(1)).post("/logout-everywhere").send().await;
    assert_eq!((ended(&answer), answer.set_cookies().len()), (2, 1), "the one that was left, and its own");
    assert_eq!(alive(&fleet, &browsers).await, 0);
}

#[tokio::test]
async fn of_two_that_end_the_others_at_the_same_time_one_is_left() {
    let fleet = Fleet::start(2).await;
    for _ in 0..10 {
        let browsers = many(&fleet, 2, "ada").await;
        let ending = browsers.iter().map(|browser| browser.post("/logout-others").send());
        let mut statuses: Vec<_> = join_all(ending).await.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        assert_eq!(alive(&fleet, &browsers).await, 1);
        ended(&logged_in(&fleet, 0, "ada").await.post("/logout-everywhere").send().await);
    }
}

#[tokio::test]
async fn in_memory_too_devices_are_listed_and_ended() {
    let instance = crate::harness::Instance::start::<&str, &str>(&[]).await;
    let browsers: Vec<Browser> = (0..4).map(|_| Browser::new(instance.url())).collect();
    for browser in &browsers {
        browser.post("/login?user=ada").send().await;
    }
    assert_eq!(devices(&browsers[0]).await.len(), 4);
    let gone = own(&browsers[1]).await;
    assert_eq!(browsers[0].post(&format!("/devices/{gone}/logout")).send().await.status, 204);
    assert_eq!(ended(&browsers[0].post("/logout-others").send().await), 2);
    assert_eq!(user(&browsers[0]).await, "ada");
    assert_eq!(ended(&browsers[0].post("/logout-everywhere").send().await), 1);
    assert_eq!(browsers[0].cookie(), None);
}
