//! Instances that disagree are told of, each difference once, and serve all the same.

use serde_json::Value;

use crate::harness::{Browser, Instance, RedisServer, session_key};
use crate::until;

/// An instance of a fleet.
async fn instance(redis: &RedisServer, name: &str, key: &str, more: &[(&str, &str)]) -> Instance {
    let store = redis.url();
    let env = [("LOG", "json"), ("INSTANCE", name), ("STORE", &store), ("SESSION_KEYS", key)];
    let instance = Instance::start(&[&env, more].concat()).await;
    posted(redis, name).await;
    instance
}

/// Waits until an instance has posted its card.
async fn posted(redis: &RedisServer, name: &str) {
    until("its card", async || redis.hash("stickless:fleet").await.contains_key(name)).await;
    // The answer that came with it is read at once.
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
}

/// Which settings of which other instances an instance warned of.
fn warned(instance: &Instance) -> Vec<(String, String)> {
    let lines = instance.log().into_iter().filter(|line| line.contains("\"event\":\"fleet_disagrees\""));
    let pair = |line: String| {
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(event["level"], "WARN", "{line}");
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        (text("setting"), text("instance"))
    };
    lines.map(pair).collect()
}

/// A setting, what makes it differ, and the key of the instance that has it otherwise.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn a_setting_that_differs_is_one_warning_that_names_it_and_the_other_instance() {
    let (redis, key, other) = (RedisServer::start().await, session_key(), session_key());
    let first = instance(&redis, "first", &key, &[]).await;
    let cases: [Case<'_>; 9] = [
        ("cookie_name", &[("COOKIE_NAME", "shop")], &key),
        ("cookie_domain", &[("COOKIE_DOMAIN", "example.org")], &key),
        ("cookie_path", &[("COOKIE_PATH", "/shop")], &key),
        ("cookie_partitioned", &[("COOKIE_PARTITIONED", "true"), ("COOKIE_SECURE", "always")], &key),
        ("idle", &[("SESSION_IDLE", "1800")], &key),
        ("absolute", &[("SESSION_ABSOLUTE", "7200")], &key),
        ("idle_anonymous", &[("SESSION_IDLE_ANONYMOUS", "60")], &key),
        ("cap", &[("SESSION_CAP", "1:evict")], &key),
        ("keys", &[], &other),
    ];
    for (setting, more, key) in cases {
        let second = instance(&redis, "second", key, more).await;
        let line = second.logged("fleet_disagrees").await;
        assert_eq!(warned(&second), [(setting.to_owned(), "first".to_owned())]);
        assert!(!line.contains(key), "{line}");
        // It serves all the same.
        assert_eq!(Browser::new(second.url()).get("/count").send().await.status, 200);
    }
    // The first will see the last of them within a minute; until then it has nothing to say.
    assert_eq!(warned(&first), []);
}

/// Six cards are a longer reply than one is.
#[tokio::test]
async fn a_setting_that_differs_is_told_in_a_fleet_of_many_instances_too() {
    let (redis, key) = (RedisServer::start().await, session_key());
    let first = instance(&redis, "0", &key, &[]).await;
    let card = redis.hash("stickless:fleet").await["0"].clone();
    for name in ["1", "2", "3", "4", "5"] {
        redis.cli(&["HSET", "stickless:fleet", name, &card]).await;
    }
    let other = instance(&redis, "other", &key, &[("SESSION_IDLE", "1800")]).await;
    until("all are told of", async || warned(&other).len() >= 6).await;
    let mut told: Vec<_> = warned(&other).into_iter().map(|(_, name)| name).collect();
    told.sort();
    assert_eq!(told, ["0", "1", "2", "3", "4", "5"]);
    drop(first);
}

#[tokio::test]
async fn instances_that_agree_or_change_their_keys_in_turn_are_not_warned() {
    let (redis, old, new) = (RedisServer::start().await, session_key(), session_key());
    let stages = [old.clone(), format!("{old},{new}"), format!("{new},{old}"), new];
    for stage in stages.windows(2) {
        let before = instance(&redis, "a", &stage[0], &[]).await;
        let after = instance(&redis, "b", &stage[1], &[("COOKIE_SECURE", "always"), ("DRIFT", "off")]).await;
        assert_eq!((warned(&before), warned(&after)), (vec![], vec![]));
    }
}

#[tokio::test]
async fn what_is_posted_ends_with_its_instance_and_tells_no_key() {
    let (redis, key) = (RedisServer::start().await, session_key());
    let _first = instance(&redis, "first", &key, &[]).await;
    let card = &redis.hash("stickless:fleet").await["first"];
    assert!(card.contains("cookie_name") && !card.contains(&key[..8]), "{card}");
    let left: u64 = redis.cli(&["PTTL", "stickless:fleet"]).await.parse().expect("milliseconds");
    assert!((100_000..=150_000).contains(&left), "{left}");
    // One that ended long ago, and one that nobody can read.
    redis.cli(&["HSET", "stickless:fleet", "gone", "1000 {\"cookie_name\":\"other\"}", "odd", "\u{1}"]).await;
    let second = instance(&redis, "second", &key, &[]).await;
    until("what ended is cleared away", async || !redis.hash("stickless:fleet").await.contains_key("gone")).await;
    assert_eq!(warned(&second), []);
    let names = redis.hash("stickless:fleet").await;
    assert!(names.contains_key("first"), "{names:?}");
}

#[tokio::test]
async fn a_store_that_refuses_what_is_posted_fails_no_request() {
    let (redis, key) = (RedisServer::start().await, session_key());
    redis.cli(&["SET", "stickless:fleet", "no hash"]).await;
    let store = redis.url();
    let env = [("STORE", store.as_str()), ("SESSION_KEYS", &key)];
    let instance = Instance::start(&env).await;
    let browser = Browser::new(instance.url());
    for count in 1..4 {
        assert_eq!(browser.get("/count").send().await.json()["count"], count);
    }
}
