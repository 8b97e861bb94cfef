//! The table of cases, over HTTP.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::sleep;

use super::{BEHIND_A_PROXY, counts, events, events_of, handle, let_settle};
use crate::harness::{Browser, Instance};

const TABLE: &str = include_str!("../../data/drift.tsv");

/// What is sent, and what is kept of it.
type Agents = HashMap<&'static str, (String, String)>;

struct Case {
    name: &'static str,
    steps: Vec<Step>,
}

struct Step {
    address: &'static str,
    agent: &'static str,
    /// What changes, and how far.
    events: Vec<(&'static str, &'static str)>,
}

fn table() -> (Agents, Vec<Case>) {
    let (mut agents, mut cases) = (Agents::new(), Vec::<Case>::new());
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["agent", name, sent] => drop(agents.insert(name, (unescape(sent), unescape(sent)))),
            ["agent", name, sent, kept] => drop(agents.insert(name, (unescape(sent), unescape(kept)))),
            ["case", name, source] => {
                assert!(!source.is_empty(), "{name} has a source");
                cases.push(Case { name, steps: Vec::new() });
            }
            ["step", address, agent, events] => {
                let events = events.split(", ").filter_map(|event| event.split_once(' ')).collect();
                cases.last_mut().expect("a case").steps.push(Step { address, agent, events });
            }
            _ => panic!("not a row: {line}"),
        }
    }
    (agents, cases)
}

fn unescape(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a session is seen with last: address and agent.
#[derive(Default)]
struct Last(HashMap<&'static str, String>);

impl Last {
    /// Checks an event, and goes on from what it told.
    fn check(&mut self, event: &Value, (what, distance): (&'static str, &str), to: &str, case: &str) {
        assert_eq!((event["what"].as_str(), event["distance"].as_str()), (Some(what), Some(distance)), "{case}");
        assert_eq!(event["from"].as_str(), self.0.get(what).map(String::as_str), "{case}");
        assert_eq!(event["to"], to, "{case}");
        self.0.insert(what, to.to_owned());
    }
}

/// Walks through a case: its session, and how many events it has.
async fn walk(instance: &Instance, agents: &Agents, case: &Case) -> (String, usize) {
    let browser = Browser::new(instance.url());
    let (mut last, mut told, mut session) = (Last::default(), 0, String::new());
    for (number, step) in case.steps.iter().enumerate() {
        let context = format!("{}, step {}", case.name, number + 1);
        let mut request = if number == 0 { browser.post("/set?k=a&v=1") } else { browser.get("/me") };
        if step.address != "-" {
            request = request.header("x-forwarded-for", step.address);
        }
        let (sent, kept) = if step.agent == "-" { Default::default() } else { agents[step.agent].clone() };
        if step.agent != "-" {
            request = request.header("user-agent", sent);
        }
        let answer = request.send().await;
        assert!(answer.status < 300, "{context}: {}", answer.status);
        if number == 0 {
            session = handle(&browser);
            let address = if step.address == "-" { "127.0.0.1" } else { step.address };
            last.0.extend([("address", address.to_owned()), ("user_agent", kept.clone())]);
        } else {
            assert_eq!((&answer.json()["session"], answer.set_cookies().len()), (&Value::Bool(true), 0), "{context}");
        }
        if last.0["user_agent"].is_empty() {
            // The first that is seen is no change: nothing tells when it is noted.
            last.0.insert("user_agent", kept.clone());
            sleep(Duration::from_millis(1500)).await;
        }
        let before = told;
        told += step.events.len();
        let events = events_of(&[instance], &session, told).await;
        assert_eq!(events.len(), told, "{context}: {events:#?}");
        for (event, expected) in events[before..].iter().zip(&step.events) {
            let to = if expected.0 == "address" { step.address } else { &kept };
            last.check(event, *expected, to, &context);
        }
    }
    (session, told)
}

#[tokio::test]
async fn each_case_of_the_table_has_exactly_its_events_and_its_session_lives_on() {
    let instance = Instance::start(&BEHIND_A_PROXY).await;
    let (agents, cases) = table();
    assert!(cases.len() >= 40, "{}", cases.len());
    let walks = join_all(cases.iter().map(|case| walk(&instance, &agents, case))).await;
    let_settle().await;
    let counts = counts(&events([&instance]));
    for (case, (session, told)) in cases.iter().zip(walks) {
        assert_eq!(counts.get(&session).copied().unwrap_or_default(), told, "{}", case.name);
    }
    let lines = instance.log();
    let bounded = |line: &&String| line.len() < 1500 && line.is_ascii() && !line.contains(char::is_control);
    assert_eq!(lines.iter().find(|line| !bounded(line)), None);
}
