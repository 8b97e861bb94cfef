//! The memory of a session in Redis, all that belongs to it counted: record, write ids, and its user's roster.

use crate::harness::{Browser, Instance, RedisServer, info, session_key};

const SESSIONS: usize = 2_000;
/// At once, of the requests that make them.
const AT_ONCE: usize = 16;

/// What a session holds.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    user: bool,
    /// Values, and the characters of each.
    values: &'static [usize],
}

const KINDS: [Kind; 4] = [
    Kind { name: "small: a visitor with a value of 10 bytes", user: false, values: &[10] },
    Kind { name: "typical: a user with 5 values, 300 bytes", user: true, values: &[10, 43, 47, 100, 100] },
    Kind { name: "typical, one value of 200 bytes among them", user: true, values: &[10, 20, 20, 50, 200] },
    Kind { name: "large: a user with 20 values, 8 KiB", user: true, values: &[409; 20] },
];

pub(crate) async fn print() {
    println!("bytes a session in Redis, by `hash-max-listpack-value`: 64 (Redis' own), then 512");
    for kind in KINDS {
        let (default, larger) = (bytes(kind, "64").await, bytes(kind, "512").await);
        println!("  {:46}{default:>8.0}{larger:>8.0}   {:.2}", kind.name, larger / default);
    }
}

async fn bytes(kind: Kind, listpack: &str) -> f64 {
    let redis = RedisServer::start_with(&["--hash-max-listpack-value", listpack]).await;
    let env = [("STORE", redis.url()), ("SESSION_KEYS", session_key())];
    let instance = Instance::start(&env).await;
    // Scripts, connections and tables are there before it counts.
    visits(&instance, kind, 0..AT_ONCE).await;
    let before = used(&redis).await;
    for from in (0..SESSIONS).step_by(AT_ONCE) {
        visits(&instance, kind, AT_ONCE + from..2 * AT_ONCE + from).await;
    }
    (used(&redis).await - before) / f64::from(u32::try_from(SESSIONS).expect("small"))
}

async fn visits(instance: &Instance, kind: Kind, numbers: std::ops::Range<usize>) {
    let visit = async |number: usize| {
        let browser = Browser::new(instance.url());
        if kind.user {
            browser.post(&format!("/login?user=user-{number}")).send().await;
        }
        for (index, size) in kind.values.iter().enumerate() {
            let answer = browser.post(&format!("/set?k=value-{index}&v={}", "v".repeat(*size))).send().await;
            assert_eq!(answer.status, 204);
        }
    };
    futures_util::future::join_all(numbers.map(visit)).await;
}

async fn used(redis: &RedisServer) -> f64 {
    let memory = redis.cli(&["INFO", "memory"]).await;
    info(&memory, "used_memory").and_then(|bytes| bytes.parse().ok()).expect("a number")
}
