//! What the server sees is what DESIGN.md says, and nothing newer than Redis 6.2.

use std::collections::BTreeSet;

use crate::harness::{Browser, Instance, Monitor, PATIENT, RedisServer, record_key, session_key};
use crate::until;

const DESIGN: &str = include_str!("../../DESIGN.md");

/// Commands of Redis 6.2 that the crate may use; Valkey has them all.
const ALLOWED: [&str; 30] = [
    "ASKING", "AUTH", "CLIENT", "CLUSTER", "CONFIG", "DEL", "EVAL", "EVALSHA", "EXISTS", "HDEL", "HGET", "HGETALL",
    "HINCRBY", "HKEYS", "HLEN", "HMGET", "HSET", "HSTRLEN", "INFO", "PEXPIRE", "PING", "PTTL", "PUBLISH", "ROLE",
    "SCRIPT", "SELECT", "SENTINEL", "TIME", "UNLINK", "WAIT",
];

/// The commands of a row of DESIGN.md's table.
fn row(act: &str) -> Vec<String> {
    let line = DESIGN.lines().find(|line| line.starts_with(&format!("| {act} |")));
    let line = line.unwrap_or_else(|| panic!("DESIGN.md has no row for {act}"));
    let commands = line.split('`').skip(1).step_by(2).map(str::to_owned);
    commands.collect()
}

/// The command names of MONITOR's lines.
fn names(lines: &[String]) -> Vec<String> {
    let name = |line: &String| line.split('"').nth(1).map(str::to_uppercase);
    let of_a_session = lines.iter().filter(|line| !line.contains(":fleet\""));
    of_a_session.filter_map(name).filter(|name| name != "MONITOR" && name != "SHUTDOWN").collect()
}

/// Patient, for what is asked again would be seen twice.
async fn instance(redis: &RedisServer, more: &[(&str, &str)]) -> Instance {
    let (store, key) = (redis.url(), session_key());
    let env = [("STORE", store.as_str()), ("SESSION_KEYS", &key)];
    Instance::start(&[&env[..], &PATIENT, more].concat()).await
}

/// What was asked, once there is as much as is wanted, and what follows that.
async fn seen(monitor: Monitor, wanted: usize) -> Vec<String> {
    // A slide runs beside the handler.
    until("all that is wanted", async || names(&monitor.lines()).len() >= wanted).await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    monitor.stop().await
}

#[tokio::test]
async fn the_server_sees_exactly_the_commands_of_the_design_and_no_id() {
    let redis = RedisServer::start().await;
    let instance = instance(&redis, &[("SESSION_IDLE", "3000"), ("SESSION_REFRESH_WITHIN", "2000")]).await;
    let browser = Browser::new(instance.url());
    // It is connected, and nothing of that is seen.
    assert_eq!(browser.get("/readyz").send().await.status, 200);
    let acts = [
        ("first write", "POST /set?k=a&v=1"),
        ("read", "GET /me"),
        ("write", "POST /set?k=a&v=2"),
        ("addition", "GET /count"),
        ("update", "POST /append?k=l&v=1"),
        ("removal", "POST /unset?k=a"),
        ("slide", "GET /me"),
        ("note", "GET /me"),
        ("log-in", "POST /login?user=alice"),
        ("devices", "GET /devices"),
        ("log-out", "POST /logout"),
        ("log-out everywhere", "POST /logout-everywhere"),
    ];
    let mut cookies = BTreeSet::new();
    let mut all = Vec::new();
    for (act, request) in acts {
        if act == "addition" {
            // The addition is to an absent key, the commands are the same for one that is there.
            browser.get("/healthz").send().await;
        }
        if act == "slide" {
            let key = record_key(&browser.cookie().expect("a session"));
            redis.cli(&["EXPIRE", &key, "1000"]).await;
        }
        if act == "log-out everywhere" {
            browser.post("/login?user=alice").send().await;
            cookies.extend(browser.cookie());
        }
        let monitor = redis.monitor().await;
        let (method, path) = request.split_once(' ').expect("two words");
        let request = if method == "GET" { browser.get(path) } else { browser.post(path) };
        // The first user agent that it is seen with.
        let request = if act == "note" { request.header("user-agent", "curl/8") } else { request };
        let answer = request.send().await;
        assert!(answer.status < 300, "{act}: {}", answer.status);
        cookies.extend(browser.cookie());
        let lines = seen(monitor, row(act).len()).await;
        assert_eq!(names(&lines), row(act), "{act}: {lines:#?}");
        all.extend(lines);
    }
    assert_eq!(cookies.len(), 3, "one for the creation, one for each log-in");
    for cookie in cookies {
        let id = &cookie.split_once('=').expect("a pair").1[..23];
        assert!(!all.iter().any(|line| line.contains(id) || line.contains(&cookie)), "an id in MONITOR");
    }
}

#[tokio::test]
async fn an_instance_posts_its_card_when_it_begins_and_nothing_else_is_sent_without_a_request() {
    let redis = RedisServer::start().await;
    let monitor = redis.monitor().await;
    let _instance = instance(&redis, &[]).await;
    monitor.heard("\"HGETALL\" \"stickless:fleet\"", 1).await;
    let lines = seen(monitor, 0).await;
    let posted = lines.iter().filter(|line| line.contains(":fleet\""));
    let posted: Vec<_> = posted.filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(posted, row("post"), "{lines:#?}");
    assert!(names(&lines).iter().all(|name| !name.starts_with('H')), "{lines:#?}");
}

#[tokio::test]
async fn a_miss_is_looked_at_twice_with_role_and_a_forgery_not_once() {
    let redis = RedisServer::start().await;
    let instance = instance(&redis, &[]).await;
    let browser = Browser::new(instance.url());
    browser.get("/count").send().await;
    redis.cli(&["FLUSHALL"]).await;
    let monitor = redis.monitor().await;
    browser.get("/me").send().await;
    assert_eq!(names(&seen(monitor, row("miss").len()).await), row("miss"));
    let monitor = redis.monitor().await;
    let forged = Browser::new(instance.url());
    forged.set_cookie("sid", &"A".repeat(76));
    forged.get("/me").send().await;
    browser.get("/static").send().await;
    assert_eq!(names(&seen(monitor, 0).await), [""; 0]);
}

#[tokio::test]
async fn a_write_that_waits_for_a_replica_costs_a_mark_and_a_wait() {
    let redis = RedisServer::start().await;
    let _replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &redis.port().to_string()]).await;
    while redis.cli(&["WAIT", "1", "1000"]).await != "1" {}
    let instance = instance(&redis, &[("DURABILITY", "replicas:1:2000")]).await;
    let browser = Browser::new(instance.url());
    assert_eq!(browser.post("/set?k=a&v=1").send().await.status, 204);
    let monitor = redis.monitor().await;
    assert_eq!(browser.post("/set?k=a&v=2").send().await.status, 204);
    let waits = row("write that waits");
    assert_eq!(names(&seen(monitor, waits.len()).await), waits);
}

#[test]
fn scripts_and_code_use_no_command_newer_than_redis_6_2() {
    let sources = [
        include_str!("../../src/store/redis/prelude.lua"),
        include_str!("../../src/store/redis/record.lua"),
        include_str!("../../src/store/redis/writes.lua"),
        include_str!("../../src/store/redis/tombstone.lua"),
        include_str!("../../src/store/redis/create.lua"),
        include_str!("../../src/store/redis/apply.lua"),
        include_str!("../../src/store/redis/slide.lua"),
        include_str!("../../src/store/redis/destroy.lua"),
        include_str!("../../src/store/redis/bury.lua"),
        include_str!("../../src/store/redis/advice.rs"),
        include_str!("../../src/store/redis/attempts.rs"),
        include_str!("../../src/store/redis/load.rs"),
        include_str!("../../src/store/redis/cluster/keeper.rs"),
        include_str!("../../src/store/redis/cluster/view.rs"),
        include_str!("../../src/store/redis/end.lua"),
        include_str!("../../src/store/redis/place.lua"),
        include_str!("../../src/store/redis/roster/common.lua"),
        include_str!("../../src/store/redis/roster/reserve.lua"),
        include_str!("../../src/store/redis/roster/confirm.lua"),
        include_str!("../../src/store/redis/roster/touch.lua"),
        include_str!("../../src/store/redis/roster/leave.lua"),
        include_str!("../../src/store/redis/roster/everywhere.lua"),
        include_str!("../../src/store/redis/roster/list.lua"),
        include_str!("../../src/store/redis/roster.rs"),
        include_str!("../../src/store/redis/connect.rs"),
        include_str!("../../src/store/redis/pubsub.rs"),
        include_str!("../../src/store/redis/repeat.rs"),
        include_str!("../../src/store/redis/resolver.rs"),
        include_str!("../../src/store/redis/fleet.rs"),
        include_str!("../../src/store/redis/script.rs"),
        include_str!("../../src/store/redis/sentinel/talk.rs"),
        include_str!("../../src/store/redis/waiter.rs"),
        include_str!("../../src/store/redis.rs"),
    ];
    let calls = ["redis.call('", "redis.pcall('", "cmd(\"", "cmd(if known { \""];
    let mut used = BTreeSet::new();
    for source in sources {
        for call in calls {
            let quote = if call.ends_with('\'') { '\'' } else { '"' };
            used.extend(source.split(call).skip(1).filter_map(|rest| rest.split(quote).next()).map(str::to_owned));
        }
    }
    assert!(used.len() >= 15, "the search finds them: {used:?}");
    let new: Vec<_> = used.iter().filter(|name| !ALLOWED.contains(&name.as_str())).collect();
    assert!(new.is_empty(), "{new:?}");
}
