//! The requests, the same bytes for both servers, and the limits of what they may cost.

use crate::bare;
use crate::harness::{Browser, Instance, RedisServer};

/// One kind of request.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// Sent in turn.
    pub(crate) requests: Vec<Vec<u8>>,
    /// How many in a round.
    pub(crate) count: usize,
    /// The status that every answer must have.
    pub(crate) status: &'static str,
    /// The most CPU that the instance may take, as a multiple of the bare server's.
    pub(crate) limit: f64,
    /// Whether Redis must not be asked.
    pub(crate) silent: bool,
}

impl Scenario {
    /// Makes the sessions, on both servers with the same values, and the requests with their cookies.
    pub(crate) async fn all(instance: &Instance, redis: &RedisServer, sessions: usize) -> Vec<Self> {
        let mut cookies = Vec::with_capacity(sessions);
        for number in 0..sessions {
            cookies.push(session(instance, redis, number).await);
        }
        let forged: Vec<String> = cookies.iter().map(|cookie| forge(cookie)).collect();
        let (ok, none) = ("200", "204");
        let with = |head: &str, cookies: &[String]| cookies.iter().map(|cookie| request(head, Some(cookie))).collect();
        let first = vec![request("POST /set?k=theme&v=dark", None)];
        let scenario = |name, requests, thousands: usize, status, limit, silent| Self {
            name,
            requests,
            count: thousands * 1000,
            status,
            limit,
            silent,
        };
        vec![
            scenario("GET /static, with a cookie", with("GET /static", &cookies), 20, ok, 1.15, true),
            scenario("GET /static, forged cookie", with("GET /static", &forged), 20, ok, 1.20, true),
            scenario("GET /me", with("GET /me", &cookies), 20, ok, 1.15, false),
            scenario("GET /count", with("GET /count", &cookies), 20, ok, 1.25, false),
            scenario("POST /set, first write", first, 10, none, 1.25, false),
        ]
    }
}

/// What curl sends.
fn request(head: &str, cookie: Option<&String>) -> Vec<u8> {
    let cookie = cookie.map(|cookie| format!("Cookie: {cookie}\r\n")).unwrap_or_default();
    format!("{head} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n{cookie}\r\n").into_bytes()
}

/// A session of about 500 bytes with a user, a counter and three more values; the bare server's twin under the same
/// cookie. The cookie.
async fn session(instance: &Instance, redis: &RedisServer, number: usize) -> String {
    let browser = Browser::new(instance.url());
    let user = format!("user-{number}");
    let values = [("theme", "dark".to_owned()), ("csrf", "c".repeat(43)), ("cart", "tea ".repeat(90))];
    browser.post(&format!("/login?user={user}")).send().await;
    for (key, value) in &values {
        let answer = browser.post(&format!("/set?k={key}&v={}", value.replace(' ', "+"))).send().await;
        assert_eq!(answer.status, 204);
    }
    assert_eq!(browser.get("/count").send().await.json()["count"], 1);
    let cookie = browser.cookie().expect("a cookie");
    let key = bare::key(cookie.split_once('=').map_or("", |(_, value)| value));
    let values = values.map(|(key, value)| (key, format!("\"{value}\"")));
    let mut command = vec!["HSET", &key, "user", &user, "n", "1"];
    command.extend(values.iter().flat_map(|(key, value)| [*key, value.as_str()]));
    redis.cli(&command).await;
    redis.cli(&["PEXPIRE", &key, "3600000"]).await;
    cookie
}

/// The same length and form, another signature.
fn forge(cookie: &str) -> String {
    let (head, last) = cookie.split_at(cookie.len() - 1);
    format!("{head}{}", if last == "A" { "B" } else { "A" })
}
