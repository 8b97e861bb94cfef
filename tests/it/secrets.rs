//! What opens a session is in its cookie, and nowhere else.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use tokio::time::sleep;

use crate::harness::{Answer, Browser, Fleet, RedisServer, session_key};

/// The forms in which a secret could show.
fn forms(secret: &[u8]) -> Vec<String> {
    use std::fmt::Write as _;
    let hex = secret.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    // As redis-cli and MONITOR write bytes.
    let escaped: String = secret.iter().flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    vec![
        String::from_utf8_lossy(secret).into_owned(),
        URL_SAFE_NO_PAD.encode(secret),
        STANDARD.encode(secret).trim_end_matches('=').to_owned(),
        hex,
        escaped,
        format!("{secret:?}"),
    ]
}

/// The cookie's value, the id within it, the MAC, and the keys.
fn secrets(cookie: &str, key: &str) -> Vec<String> {
    let value = cookie.trim_start_matches("sid=");
    let token = URL_SAFE_NO_PAD.decode(value).expect("a token");
    let keys = STANDARD.decode(key).expect("base64");
    let raw = [&token[..], &token[1..17], &token[25..], &keys];
    let mut secrets: Vec<String> = raw.into_iter().flat_map(forms).collect();
    secrets.extend([value.to_owned(), key.to_owned()]);
    // The id, as it stands within the cookie's text.
    secrets.push(value[4..20].to_owned());
    secrets
}

#[track_caller]
fn assert_silent(place: &str, text: &str, secrets: &[String]) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{place} shows a secret: {text}");
    }
}

/// All that a user can do, with good fortune and with bad. What the answers said, but for their cookies.
async fn do_everything(fleet: &Fleet, browser: &Browser) -> Vec<Answer> {
    let mut answers = Vec::new();
    for path in ["/count", "/me", "/dump", "/fail", "/panic", "/stream", "/page", "/"] {
        answers.push(browser.get(path).send().await);
    }
    let behind = Browser::new(fleet.url(0));
    let before = browser.cookie().expect("a session");
    behind.set_cookie("sid", before.trim_start_matches("sid="));
    for path in ["/set?k=a&v=1", "/login?user=ada", "/append?k=l&v=1", "/rotate", "/remember-me?days=3", "/take?k=a"] {
        answers.push(browser.post(path).send().await);
    }
    // Stale, undecodable, too large, and twice the cookie.
    answers.push(behind.get("/count").send().await);
    answers.push(browser.post("/set?k=n&v=x").send().await);
    answers.push(browser.get("/count").send().await);
    answers.push(browser.post(&format!("/set?k={}&v=1", "k".repeat(300))).send().await);
    let other = Browser::new(fleet.url(0));
    other.get("/count").send().await;
    let both = format!("{}; {}", browser.cookie().expect("logged in"), other.cookie().expect("a session"));
    answers.push(Browser::new(fleet.url(0)).get("/me").cookie(both).send().await);
    // A store that refuses, hangs, and breaks off.
    fleet.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    answers.push(browser.post("/set?k=a&v=1").send().await);
    fleet.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    fleet.redis.freeze();
    answers.push(browser.get("/me").send().await);
    fleet.redis.thaw();
    fleet.redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    sleep(Duration::from_millis(300)).await;
    answers.push(browser.get("/me").send().await);
    answers
}

async fn assert_nothing_shows(log: &str) {
    let fleet = Fleet::start_on(RedisServer::start().await, 1, &[("LOG", log)]).await;
    let monitor = fleet.redis.monitor().await;
    let browser = fleet.browser();
    browser.get("/count").send().await;
    let first = browser.cookie().expect("a session");
    let answers = do_everything(&fleet, &browser).await;
    let last = browser.cookie().expect("logged in");
    assert_ne!(first, last);
    let secrets: Vec<_> = [&first, &last].into_iter().flat_map(|cookie| secrets(cookie, &fleet.key)).collect();

    // The test itself must be able to find them.
    let set_cookie = answers.iter().flat_map(Answer::set_cookies).collect::<String>();
    assert!(secrets.iter().any(|secret| set_cookie.contains(secret)));

    assert_silent("the log", &fleet.instances[0].log().join("\n"), &secrets);
    for answer in &answers {
        assert_silent("a body", &answer.text(), &secrets);
    }
    // The monitor's connection is killed with the others; it has seen nearly all by then.
    let commands = monitor.lines();
    assert!(commands.len() > 50, "{commands:?}");
    assert_silent("MONITOR", &commands.join("\n"), &secrets);
    let monitor = fleet.redis.monitor().await;
    browser.get("/count").send().await;
    browser.post("/login?user=ada").send().await;
    assert_silent("MONITOR", &monitor.stop().await.join("\n"), &secrets);
    assert_silent("Redis", &contents(&fleet.redis).await, &secrets);
    assert_silent("Redis's log", &fleet.redis.log().join("\n"), &secrets);
    assert_silent("CLIENT LIST", &fleet.redis.cli(&["CLIENT", "LIST"]).await, &secrets);
}

/// All keys with all that they hold.
async fn contents(redis: &RedisServer) -> String {
    let keys = redis.cli(&["KEYS", "*"]).await;
    assert!(keys.lines().count() >= 2, "{keys}");
    let mut contents = keys.clone();
    for key in keys.lines() {
        contents += &redis.cli(&["HGETALL", key]).await;
        contents += &redis.cli(&["--no-raw", "HGETALL", key]).await;
    }
    contents
}

#[tokio::test]
async fn neither_text_logs_nor_commands_nor_the_store_nor_bodies_show_a_secret() {
    assert_nothing_shows("text").await;
}

#[tokio::test]
async fn neither_json_logs_nor_commands_nor_the_store_nor_bodies_show_a_secret() {
    assert_nothing_shows("json").await;
}

#[tokio::test]
async fn a_corrupt_record_is_logged_without_its_contents() {
    let fleet = Fleet::start(1).await;
    let browser = fleet.browser();
    browser.post("/set?k=a&v=private").send().await;
    let [key] = &fleet.redis.records().await[..] else { panic!("one record") };
    fleet.redis.cli(&["HSET", key, "g", "garbled"]).await;
    assert_eq!(browser.get("/me").send().await.text(), "Service Unavailable");
    let log = fleet.instances[0].logged("record_unreadable").await;
    assert!(log.contains("field g is not a number"), "{log}");
    let log = fleet.instances[0].log().join("\n");
    assert!(!log.contains("private") && !log.contains("garbled"), "{log}");
    // Nobody who can read the store can make a cookie of what is there.
    let handle = key.trim_start_matches("stickless:s:");
    let made = Browser::new(fleet.url(0));
    for value in [handle.to_owned(), session_key(), format!("{handle}{handle}{handle}xxxxxxxxxx")] {
        made.set_cookie("sid", &value);
        assert_eq!(made.get("/me").send().await.json()["state"], "new");
    }
}
