//! `tests/data/edge.tsv` over HTTP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use futures_util::future::join_all;

use crate::harness::{Answer, Browser, Instance, free_port, raw, session_key};

const TABLE: &str = include_str!("../../data/edge.tsv");

struct Case<'a> {
    line: usize,
    area: &'a str,
    settings: &'a str,
    from: IpAddr,
    request: &'a str,
    expected: &'a str,
}

type Settings = Vec<(String, String)>;

/// The settings by their names, and all cases.
fn table() -> (BTreeMap<&'static str, Settings>, Vec<Case<'static>>) {
    let (mut settings, mut cases) = (BTreeMap::new(), Vec::new());
    for (line, text) in TABLE.lines().enumerate().filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
        let columns: Vec<_> = text.split('\t').collect();
        if let Some(name) = columns[0].strip_prefix("= ") {
            let pairs = columns.get(1).unwrap_or(&"").split_whitespace();
            let pairs = pairs.map(|pair| pair.split_once('=').expect("NAME=value"));
            settings.insert(name, pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
            continue;
        }
        let [area, settings, from, request, expected, source] = columns[..] else {
            panic!("line {}: {text}", line + 1)
        };
        assert!(!source.is_empty(), "line {}: no source", line + 1);
        let from = from.parse().expect("an address");
        cases.push(Case { line: line + 1, area, settings, from, request, expected });
    }
    (settings, cases)
}

/// Tokens by the names that the table has for them.
type Tokens = BTreeMap<&'static str, String>;

/// `{name}` by its token, `{3*x}` by `xxx`, `\x09` by its byte.
fn bytes(text: &str, tokens: &Tokens) -> Vec<u8> {
    let mut text =
        tokens.iter().fold(text.to_owned(), |text, (name, token)| text.replace(&format!("{{{name}}}"), token));
    let repeat = |text: &str| {
        let (start, (count, rest)) = text
            .match_indices('{')
            .find_map(|(at, _)| Some((at, text[at + 1..].split_once('*')?)))
            .filter(|(_, (count, _))| count.parse::<usize>().is_ok())?;
        let (part, after) = rest.split_once('}')?;
        Some(format!("{}{}{after}", &text[..start], part.repeat(count.parse().ok()?)))
    };
    while let Some(repeated) = repeat(&text) {
        text = repeated;
    }
    let mut bytes = Vec::new();
    let mut parts = text.split("\\x");
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend(part[2..].bytes());
    }
    bytes
}

/// A request as it goes over the wire.
fn request(case: &Case<'_>, path: &str, more: &str, tokens: &Tokens) -> Vec<u8> {
    let lines: Vec<_> = case.request.split(" | ").filter(|line| !line.is_empty()).collect();
    let is_target = |line: &&&str| line.starts_with("GET ");
    let target = lines.iter().find(is_target).map_or_else(|| format!("{path} HTTP/1.1"), ToString::to_string);
    let mut request = format!("{target}\r\nConnection: close\r\n{more}").into_bytes();
    if !lines.iter().any(|line| line.starts_with("Host:")) {
        request.extend(b"Host: app.example\r\n");
    }
    for line in lines.iter().filter(|line| !is_target(line) && **line != "Host:-") {
        request.extend(bytes(line, tokens));
        request.extend(b"\r\n");
    }
    request.extend(b"\r\n");
    request
}

/// One instance with some settings, on both families of addresses, and the tokens of its sessions.
struct Subject {
    instance: Instance,
    tokens: Tokens,
}

impl Subject {
    async fn start(settings: &[(String, String)], with_sessions: bool) -> Self {
        let mut env = settings.to_vec();
        let listen = format!("[::]:{}", free_port().expect("a port"));
        env.extend([("LISTEN".to_owned(), listen), ("SESSION_KEYS".to_owned(), session_key())]);
        let instance = Instance::start(&env).await;
        let tokens = if with_sessions { tokens(&instance, &env).await } else { Tokens::new() };
        Self { instance, tokens }
    }

    async fn send(&self, case: &Case<'_>, path: &str, more: &str) -> Answer {
        raw(case.from, self.instance.port(), &request(case, path, more, &self.tokens)).await
    }

    /// What came of a case, in the words of its last column.
    async fn outcome(&self, case: &Case<'_>) -> BTreeMap<String, String> {
        match case.area {
            "address" | "scheme" | "host" => probed(&self.send(case, "GET /probe", "").await),
            "cookie" => seen(&self.send(case, "GET /me", "").await),
            "set-cookie" => self.attributes(case).await,
            area => panic!("line {}: no such area: {area}", case.line),
        }
    }

    /// The attributes with which a session begins; they must be those with which it ends.
    async fn attributes(&self, case: &Case<'_>) -> BTreeMap<String, String> {
        let created = self.send(case, "GET /count", "").await.set_cookies();
        let [created] = created.as_slice() else { panic!("line {}: {created:?}", case.line) };
        let (pair, attributes) = sorted(created);
        let removed = self.send(case, "POST /logout", &format!("Content-Length: 0\r\nCookie: {pair}\r\n")).await;
        let (empty, removal) = sorted(&removed.set_cookies()[0]);
        assert_eq!(empty.split('=').next(), pair.split('=').next(), "line {}", case.line);
        assert!(empty.ends_with('='), "line {}: {empty}", case.line);
        let lasting = |attributes: &[String]| {
            let ends = |attribute: &&String| attribute.starts_with("Max-Age=") || attribute.starts_with("Expires=");
            attributes.iter().filter(|attribute| !ends(attribute)).cloned().collect::<Vec<_>>()
        };
        assert_eq!(lasting(&removal), lasting(&attributes), "line {}", case.line);
        assert!(removal.contains(&"Max-Age=0".to_owned()), "line {}: {removal:?}", case.line);
        [("attributes".to_owned(), attributes.join(";"))].into()
    }
}

/// The pair of a `Set-Cookie`, and its attributes in order.
fn sorted(line: &str) -> (String, Vec<String>) {
    let mut parts = line.split("; ").map(str::to_owned);
    let pair = parts.next().unwrap_or_default();
    let mut attributes: Vec<_> = parts.collect();
    attributes.sort();
    (pair, attributes)
}

fn probed(answer: &Answer) -> BTreeMap<String, String> {
    if answer.status != 200 {
        return [("status".to_owned(), answer.status.to_string())].into();
    }
    let json = answer.json();
    [("client", "client_ip"), ("scheme", "scheme"), ("host", "host")]
        .map(|(name, field)| (name.to_owned(), json[field].as_str().unwrap_or("null").to_owned()))
        .into()
}

fn seen(answer: &Answer) -> BTreeMap<String, String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let json = answer.json();
    let cookies = answer.set_cookies();
    let set = if cookies.is_empty() { "none".to_owned() } else { cookies.join(", ") };
    [
        ("user", json["user"].as_str().unwrap_or("null").to_owned()),
        ("session", json["session"].to_string()),
        ("set-cookie", set),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Sessions in all states.
async fn tokens(instance: &Instance, env: &[(String, String)]) -> Tokens {
    let value = |browser: &Browser| {
        let cookie = browser.cookie().expect("a session");
        cookie.split_once('=').expect("a pair").1.to_owned()
    };
    let browser = || Browser::new(instance.url());
    let (live, other, dead) = (browser(), browser(), browser());
    live.get("/count").send().await;
    let old = value(&live);
    live.post("/login?user=ada").send().await;
    other.post("/login?user=bob").send().await;
    dead.post("/login?user=eve").send().await;
    let ended = value(&dead);
    dead.post("/logout").send().await;
    // Another store under the same key.
    let elsewhere = env.iter().filter(|(name, _)| name != "LISTEN").cloned().collect::<Vec<_>>();
    let elsewhere = Instance::start(&elsewhere).await;
    let lost = Browser::new(elsewhere.url());
    lost.post("/login?user=eve").send().await;
    let live = value(&live);
    let mut forged = live.clone();
    let flipped = if &forged[50..51] == "A" { "B" } else { "A" };
    forged.replace_range(50..51, flipped);
    [
        ("live", live),
        ("other", value(&other)),
        ("dead", ended),
        ("old", old),
        ("lost", value(&lost)),
        ("forged", forged),
    ]
    .into()
}

#[tokio::test]
async fn each_case_of_the_table_comes_out_as_it_says() {
    let (settings, cases) = table();
    assert!(cases.len() >= 200, "{}", cases.len());
    let used: BTreeSet<_> = cases.iter().map(|case| case.settings).collect();
    assert_eq!(used, settings.keys().copied().collect(), "settings that are named and used");
    let mut wrong = Vec::new();
    for (name, settings) in &settings {
        let cases: Vec<_> = cases.iter().filter(|case| case.settings == *name).collect();
        let subject = Subject::start(settings, cases.iter().any(|case| case.area == "cookie")).await;
        let outcomes = join_all(cases.iter().map(|case| subject.outcome(case))).await;
        for (case, outcome) in cases.iter().zip(outcomes) {
            let expected = String::from_utf8(bytes(case.expected, &subject.tokens)).expect("UTF-8");
            for pair in expected.split(' ') {
                let (name, value) = pair.split_once('=').expect("name=value");
                if outcome.get(name).map(String::as_str) != Some(value) {
                    wrong.push(format!("line {}: {pair}, not {outcome:?}: {}", case.line, case.request));
                }
            }
        }
        // Whatever came, nobody was logged out by it.
        if let Some(live) = subject.tokens.get("live") {
            let name = settings.iter().find(|(name, _)| name == "COOKIE_NAME").map_or("sid", |(_, value)| value);
            let me = Browser::new(subject.instance.url()).get("/me").cookie(format!("{name}={live}")).send().await;
            assert_eq!(me.json()["user"], "ada");
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
