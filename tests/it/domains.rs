//! Which hosts get the cookie, and that a change of it logs nobody out.

use std::time::Duration;

use cookie_store::CookieStore;
use http::Method;
use serde_json::json;
use url::Url;

use crate::harness::{Answer, Client, Instance, PATIENT, session_key};

/// A browser that knows domains (RFC 6265), at whatever host it goes to an instance by.
struct Visitor {
    client: Client,
    jar: CookieStore,
}

impl Visitor {
    fn new() -> Self {
        Self { client: Client::new(), jar: CookieStore::new() }
    }

    async fn get(&mut self, instance: &Instance, host: &str, path: &str) -> Answer {
        self.send(instance, host, Method::GET, path).await
    }

    async fn post(&mut self, instance: &Instance, host: &str, path: &str) -> Answer {
        self.send(instance, host, Method::POST, path).await
    }

    async fn send(&mut self, instance: &Instance, host: &str, method: Method, path: &str) -> Answer {
        let url = url(host);
        let mut request = self.client.request(method, format!("{}{path}", instance.url())).header("host", host);
        let cookies = self.cookies(host);
        if !cookies.is_empty() {
            request = request.cookie(cookies.join("; "));
        }
        let answer = request.send().await;
        for line in answer.set_cookies() {
            // What it refuses, it refuses as a browser would.
            let _ = self.jar.parse(&line, &url);
        }
        answer
    }

    /// What it would send to a host.
    fn cookies(&self, host: &str) -> Vec<String> {
        self.jar.get_request_values(&url(host)).map(|(name, value)| format!("{name}={value}")).collect()
    }
}

fn url(host: &str) -> Url {
    format!("http://{host}/").parse().expect("a URL")
}

/// The domain of each cookie that an answer sets, and whether it removes it.
fn domains(answer: &Answer) -> Vec<(Option<String>, bool)> {
    let domain = |line: &String| {
        let domain = line.split("; ").find_map(|part| part.strip_prefix("Domain=")).map(str::to_owned);
        (domain, line.contains("; Max-Age=0"))
    };
    answer.set_cookies().iter().map(domain).collect()
}

const LIST: [(&str, &str); 2] = [("LOG", "json"), ("COOKIE_DOMAIN", "example.org, shop.example.org,bücher.example")];

#[tokio::test]
async fn of_several_domains_the_requests_host_chooses_and_the_removal_carries_the_same() {
    let instance = Instance::start(&LIST).await;
    let cases = [
        ("example.org", Some("example.org")),
        ("www.example.org", Some("example.org")),
        ("WWW.Example.org:8080", Some("example.org")),
        ("shop.example.org", Some("shop.example.org")),
        ("a.b.shop.example.org", Some("shop.example.org")),
        ("workshop.example.org", Some("example.org")),
        ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
        ("badexample.org", None),
        ("example.org.evil.net", None),
        ("localhost", None),
        ("127.0.0.1", None),
    ];
    for (host, domain) in cases {
        let mut visitor = Visitor::new();
        let domain = domain.map(str::to_owned);
        for path in ["/set?k=a&v=1", "/login?user=ada"] {
            let answer = visitor.post(&instance, host, path).await;
            assert_eq!(domains(&answer), [(domain.clone(), false)], "{host} {path}");
        }
        let left = visitor.post(&instance, host, "/logout").await;
        assert_eq!(domains(&left), [(domain, true)], "{host}");
        assert_eq!(visitor.cookies(host), [""; 0], "{host}");
    }
    let told = instance.log().iter().filter(|line| line.contains("\"event\":\"host_not_covered\"")).count();
    assert_eq!(told, 1, "one warning, however many hosts");
}

#[tokio::test]
async fn a_proxy_chooses_the_domain_only_if_it_is_trusted() {
    let trusted = [("CLIENT_IP_SOURCE", "x-forwarded-for"), ("TRUSTED_PROXIES", "127.0.0.1")];
    for (more, domain) in [(&trusted[..], "shop.example.org"), (&[], "example.org")] {
        let instance = Instance::start(&[&LIST[..], more].concat()).await;
        let request =
            Client::new().post(format!("{}/login?user=ada", instance.url())).header("host", "www.example.org");
        let answer = request.header("x-forwarded-host", "shop.example.org").send().await;
        assert_eq!(domains(&answer), [(Some(domain.to_owned()), false)]);
    }
}

#[tokio::test]
async fn one_fixed_domain_is_sent_to_every_host_and_a_host_outside_it_is_told() {
    let instance = Instance::start(&[("LOG", "json"), ("COOKIE_DOMAIN", "example.org")]).await;
    let mut visitor = Visitor::new();
    let answer = visitor.post(&instance, "www.example.org", "/login?user=ada").await;
    assert_eq!(domains(&answer), [(Some("example.org".to_owned()), false)]);
    for (host, session) in [("example.org", true), ("api.example.org", true), ("example.com", false)] {
        let me = visitor.get(&instance, host, "/me").await;
        assert_eq!(me.json()["session"], session, "{host}");
    }
    assert!(!instance.log().iter().any(|line| line.contains("host_not_covered")));
    let outside = visitor.post(&instance, "localhost", "/login?user=ada").await;
    assert_eq!(domains(&outside), [(Some("example.org".to_owned()), false)]);
    instance.logged("\"event\":\"host_not_covered\"").await;
}

/// Changes the domain of an instance under a logged-in user, at a host under both.
async fn move_house(before: &str, after: &str, log_in_again: bool) {
    let context = format!("{before:?} to {after:?}, log-in again: {log_in_again}");
    let (host, key) = ("www.shop.example.org", session_key());
    let env = |domain: &str| [("SESSION_KEYS", key.clone()), ("COOKIE_DOMAIN", domain.to_owned())];
    let redis = crate::harness::RedisServer::start().await;
    let patient = PATIENT.map(|(name, value)| (name, value.to_owned()));
    let with_store = |domain: &str| [&env(domain)[..], &patient, &[("STORE", redis.url())]].concat();
    let mut instance = Instance::start(&with_store(before)).await;
    let mut visitor = Visitor::new();
    visitor.post(&instance, host, "/login?user=ada").await;
    visitor.get(&instance, host, "/count").await;
    // A token tells its age in seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    instance.restart_with(&with_store(after)).await;

    let me = visitor.get(&instance, host, "/me").await;
    assert_eq!((&me.json()["user"], me.set_cookies().len()), (&json!("ada"), 0), "{context}");
    assert_eq!(visitor.get(&instance, host, "/count").await.json()["count"], 2, "{context}");
    if log_in_again {
        assert_eq!(visitor.post(&instance, host, "/login?user=ada").await.status, 204, "{context}");
        assert_eq!(visitor.cookies(host).len(), 1, "the old place is cleared, {context}");
        for count in 3..6 {
            assert_eq!(visitor.get(&instance, host, "/count").await.json()["count"], count, "{context}");
        }
        if !after.is_empty() {
            let sister = visitor.get(&instance, &format!("api.{after}"), "/me").await;
            assert_eq!(sister.json()["user"], "ada", "{context}");
        }
    }
    assert_eq!(visitor.post(&instance, host, "/logout").await.status, 204, "{context}");
    assert_eq!(visitor.cookies(host), [""; 0], "{context}");
    // Nothing is left that would make the next visit stale.
    assert_eq!(visitor.get(&instance, host, "/count").await.json()["count"], 1, "{context}");
    assert_eq!(visitor.post(&instance, host, "/login?user=bob").await.status, 204, "{context}");
    assert_eq!(visitor.get(&instance, host, "/me").await.json()["user"], "bob", "{context}");
    assert_eq!(visitor.cookies(host).len(), 1, "{context}");
}

#[tokio::test]
async fn a_change_of_the_domain_leaves_nobody_with_two_cookies_that_fight() {
    let changes = [
        ("", "example.org"),
        ("example.org", ""),
        ("shop.example.org", "example.org"),
        ("example.org", "shop.example.org"),
        ("shop.example.org", "example.org,shop.example.org,example.com"),
    ];
    let moves = changes.iter().flat_map(|change| [(change, false), (change, true)]);
    let moves = moves.map(|((before, after), again)| async move {
        let after = if after.contains(',') && again { "shop.example.org" } else { after };
        move_house(before, after, again).await;
    });
    futures_util::future::join_all(moves).await;
}

#[tokio::test]
async fn two_cookies_of_one_name_are_one_session_and_both_go_with_a_log_out() {
    let key = session_key();
    let redis = crate::harness::RedisServer::start().await;
    let env =
        |domain: &str| [("SESSION_KEYS", key.clone()), ("STORE", redis.url()), ("COOKIE_DOMAIN", domain.to_owned())];
    // In the middle of a roll: one instance with each setting.
    let (old, new) = (Instance::start(&env("")).await, Instance::start(&env("example.org")).await);
    let (mut visitor, host) = (Visitor::new(), "www.example.org");
    for turn in 0..4 {
        let instance = [&old, &new][turn % 2];
        assert_eq!(visitor.post(instance, host, "/login?user=ada").await.status, 204);
        assert_eq!(visitor.get(&old, host, "/me").await.json()["user"], "ada");
        assert_eq!(visitor.get(&new, host, "/me").await.json()["user"], "ada");
        // Elsewhere the last log-in's own setting counts.
        assert_eq!(visitor.get(&new, "api.example.org", "/me").await.json()["session"], turn % 2 == 1);
    }
    visitor.post(&old, host, "/logout").await;
    assert_eq!((visitor.cookies(host), visitor.cookies("api.example.org")), (vec![], vec![]));
}

#[tokio::test]
async fn a_cookie_of_another_application_with_the_same_name_is_left_alone() {
    let instance = Instance::start::<&str, &str>(&[]).await;
    let (mut visitor, host) = (Visitor::new(), "www.example.org");
    let theirs = "sid=theirs; Domain=example.org; Path=/";
    visitor.jar.parse(theirs, &url("example.org")).expect("stored");
    visitor.post(&instance, host, "/login?user=ada").await;
    assert_eq!(visitor.get(&instance, host, "/me").await.json()["user"], "ada");
    let left = visitor.post(&instance, host, "/logout").await;
    assert_eq!(domains(&left), [(None, true)]);
    assert_eq!(visitor.cookies(host), ["sid=theirs"]);
}

#[tokio::test]
async fn a_proxy_that_ends_tls_and_is_not_trusted_is_named_in_one_warning() {
    let said = |instance: &Instance| {
        let lines = instance.log();
        lines.into_iter().filter(|line| line.contains("\"event\":\"https_not_believed\"")).collect::<Vec<_>>()
    };
    for (header, value) in [("X-Forwarded-Proto", "https"), ("Forwarded", "for=192.0.2.1;proto=https")] {
        let instance = Instance::start(&[("LOG", "json")]).await;
        for _ in 0..3 {
            let request = Client::new().post(format!("{}/login?user=ada", instance.url()));
            let answer = request.header(header, value).send().await;
            assert!(!answer.set_cookies()[0].contains("; Secure"), "{header}");
        }
        let lines = said(&instance);
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains("127.0.0.1") && lines[0].contains(header), "{lines:#?}");
    }
    let trusted = [("CLIENT_IP_SOURCE", "x-forwarded-for"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let harmless: [&[(&str, &str)]; 3] = [&trusted, &[("COOKIE_SECURE", "always")], &[("COOKIE_SECURE", "never")]];
    for env in harmless {
        let instance = Instance::start(&[&[("LOG", "json")], env].concat()).await;
        let request = Client::new().post(format!("{}/login?user=ada", instance.url()));
        request.header("x-forwarded-proto", "https").send().await;
        assert_eq!(said(&instance), [""; 0], "{env:?}");
    }
}
