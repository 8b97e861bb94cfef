//! What changes about a session's client is told once, and every session lives on.

mod hooks;
mod stores;
mod table;

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::harness::{Browser, Instance, Request, record_key};

/// The client's address is what `X-Forwarded-For` says.
pub(crate) const BEHIND_A_PROXY: [(&str, &str); 3] =
    [("LOG", "json"), ("CLIENT_IP_SOURCE", "x-forwarded-for"), ("TRUSTED_PROXIES", "127.0.0.1")];

/// A request of a client at this address.
fn from(request: Request, address: &str) -> Request {
    request.header("x-forwarded-for", address)
}

/// The handle of the session that a browser has.
fn handle(browser: &Browser) -> String {
    let key = record_key(&browser.cookie().expect("a session"));
    key.rsplit(':').next().expect("a handle").to_owned()
}

/// The drift events that instances logged.
fn events<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> Vec<Value> {
    let lines = instances.into_iter().flat_map(Instance::log).filter(|line| line.contains("\"event\":\"drift\""));
    let events = lines.map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")));
    events.filter(|event: &Value| event["event"] == "drift").collect()
}

/// The drift events of a session, as soon as there are so many.
async fn events_of(instances: &[&Instance], session: &str, count: usize) -> Vec<Value> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let mut found = events(instances.iter().copied());
        found.retain(|event| event["session"] == session);
        if found.len() >= count {
            return found;
        }
        assert!(Instant::now() < until, "{count} events of {session}: {found:#?}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// How many events each session has.
fn counts(events: &[Value]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for event in events {
        *counts.entry(event["session"].as_str().expect("a handle").to_owned()).or_default() += 1;
    }
    counts
}

/// Long enough for what runs beside a request that was answered.
async fn let_settle() {
    sleep(Duration::from_millis(300)).await;
}
