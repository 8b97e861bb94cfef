//! A setting that cannot work stops the instance at its start, with one line that names it.

use std::net::TcpListener;

use crate::harness::{Browser, Instance, RedisServer, session_key};

/// Runs to its end; the line that it left.
async fn refusal(env: &[(&str, &str)]) -> String {
    let (status, log) = Instance::run_to_exit(env).await;
    assert_eq!(status.code(), Some(2), "{env:?}: {log}");
    let lines: Vec<_> = log.lines().collect();
    assert_eq!(lines.len(), 1, "{env:?}: {log}");
    lines[0].to_owned()
}

/// The last setting of each case is the wrong one; the line begins with its name and value.
async fn assert_refused(cases: &[&[(&str, &str)]]) {
    for env in cases {
        let (name, value) = env.last().expect("a setting");
        let line = refusal(env).await;
        let (said, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no reason: {line}"));
        let (said_name, said_value) = said.split_once(" = ").unwrap_or_else(|| panic!("no value: {line}"));
        assert_eq!(said_name, *name, "{line}");
        // Seconds and milliseconds may carry their unit.
        assert!(said_value.starts_with(&value.replace(['\n', '\r'], " ")), "{line}");
        assert!(!reason.is_empty(), "{line}");
    }
}

#[tokio::test]
async fn impossible_lifetimes_are_refused() {
    assert_refused(&[
        &[("SESSION_IDLE", "0")],
        &[("SESSION_IDLE", "abc")],
        &[("SESSION_IDLE", "-1")],
        &[("SESSION_IDLE", "1.5")],
        &[("SESSION_IDLE", "99999999999")],
        &[("SESSION_IDLE", "99999999999999999999999")],
        &[("SESSION_REFRESH_WITHIN", "0")],
        &[("SESSION_REFRESH_WITHIN", "3601")],
        &[("SESSION_IDLE", "10"), ("SESSION_REFRESH_WITHIN", "11")],
        &[("SESSION_REFRESH_WITHIN", "soon")],
        &[("SESSION_ABSOLUTE", "-5")],
        &[("SESSION_ABSOLUTE", "1h")],
        &[("SESSION_IDLE_ANONYMOUS", "3601")],
        &[("SESSION_IDLE_ANONYMOUS", "x")],
    ])
    .await;
}

#[tokio::test]
async fn cookies_that_browsers_would_drop_are_refused() {
    let (long, deep) = ("x".repeat(257), format!("/{}", "x".repeat(1024)));
    assert_refused(&[
        &[("COOKIE_NAME", "a b")],
        &[("COOKIE_NAME", "a=b")],
        &[("COOKIE_NAME", "a\nb")],
        &[("COOKIE_NAME", "a;b")],
        &[("COOKIE_NAME", "ä")],
        &[("COOKIE_NAME", &long)],
        &[("COOKIE_NAME", "__Host-sid")],
        &[("COOKIE_NAME", "__Secure-sid")],
        &[("COOKIE_SECURE", "never"), ("COOKIE_NAME", "__host-sid")],
        &[("COOKIE_SECURE", "always"), ("COOKIE_PATH", "/a"), ("COOKIE_NAME", "__Host-sid")],
        &[("COOKIE_SECURE", "always"), ("COOKIE_DOMAIN", "example.org"), ("COOKIE_NAME", "__Host-sid")],
        &[("COOKIE_NAME", "__Http-sid")],
        &[("COOKIE_SECURE", "always"), ("COOKIE_HTTP_ONLY", "false"), ("COOKIE_NAME", "__Host-Http-sid")],
        // Nothing else is said before the one line, though the first setting deserves a warning.
        &[("TRUSTED_PROXIES", "10.0.0.0/8"), ("COOKIE_NAME", "a\u{7f}b")],
        &[("COOKIE_SAME_SITE", "none")],
        &[("COOKIE_SECURE", "never"), ("COOKIE_SAME_SITE", "none")],
        &[("COOKIE_SAME_SITE", "Sometimes")],
        &[("COOKIE_PARTITIONED", "true")],
        &[("COOKIE_SECURE", "never"), ("COOKIE_PARTITIONED", "true")],
        &[("COOKIE_PARTITIONED", "yes")],
        &[("COOKIE_SECURE", "sometimes")],
        &[("COOKIE_HTTP_ONLY", "1")],
        &[("COOKIE_PERSISTENT", "perhaps")],
        &[("COOKIE_PATH", "a")],
        &[("COOKIE_PATH", "/a;b")],
        &[("COOKIE_PATH", &deep)],
        &[("COOKIE_DOMAIN", "localhost")],
        &[("COOKIE_DOMAIN", "127.0.0.1")],
        &[("COOKIE_DOMAIN", "[::1]")],
        &[("COOKIE_DOMAIN", "example.org:8080")],
        &[("COOKIE_DOMAIN", "exa mple.org")],
        &[("COOKIE_DOMAIN", "org")],
        &[("COOKIE_DOMAIN", "co.uk")],
        &[("COOKIE_DOMAIN", ".github.io")],
        &[("COOKIE_DOMAIN", "*.example.org")],
        &[("COOKIE_DOMAIN", "https://example.org")],
        &[("COOKIE_DOMAIN", "example.org.")],
        &[("COOKIE_DOMAIN", "-a.example.org")],
        &[("COOKIE_DOMAIN", "xn--a.example.org")],
        &[("COOKIE_DOMAIN", "公司.cn")],
        &[("COOKIE_DOMAIN", "a.org,co.uk")],
        &[("COOKIE_DOMAIN", "a.org,,b.org")],
        &[("COOKIE_DOMAIN", "a.org,localhost")],
        &[("COOKIE_DOMAIN", "a.org,10.0.0.1")],
        &[("COOKIE_SECURE", "always"), ("COOKIE_DOMAIN", "a.org,b.org"), ("COOKIE_NAME", "__Host-sid")],
    ])
    .await;
}

#[tokio::test]
async fn impossible_places_and_formats_are_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("its address").to_string();
    assert_refused(&[
        &[("LISTEN", "nonsense")],
        &[("LISTEN", "127.0.0.1")],
        &[("LISTEN", "127.0.0.1:99999")],
        &[("LISTEN", "203.0.113.1:80")],
        &[("LISTEN", &taken)],
        &[("INSTANCE", "a\u{7f}")],
        &[("LOG", "xml")],
        &[("DRIFT", "perhaps")],
        &[("STORE_ATTEMPTS", "many")],
        &[("STORE_TIMEOUT_MS", "0.5")],
        &[("STORE_BUDGET_MS", "-1")],
        &[("SESSION_CAP", "0:evict")],
        &[("SESSION_CAP", "1")],
        &[("SESSION_CAP", "-1:refuse")],
        &[("SESSION_CAP", "2:drop")],
    ])
    .await;
}

#[tokio::test]
async fn durabilities_that_cannot_be_are_refused() {
    let key = session_key();
    for durability in [
        "sync",
        "replicas",
        "replicas:1",
        "replicas:0:100",
        "replicas:1:0",
        "replicas:-1:9",
        "replicas:1:1s",
        "replicas:1:1:1",
    ] {
        assert_refused(&[&[("STORE", "redis://127.0.0.1"), ("SESSION_KEYS", &key), ("DURABILITY", durability)]]).await;
    }
    assert_refused(&[&[("DURABILITY", "replicas:1:100")]]).await;
    let longer = "99999999999999";
    let durability = format!("replicas:1:{longer}");
    let line =
        refusal(&[("STORE", "redis://127.0.0.1"), ("SESSION_KEYS", &key), ("DURABILITY", durability.as_str())]).await;
    assert!(line.starts_with("DURABILITY = 1 replicas within"), "{line}");
}

#[tokio::test]
async fn proxies_that_cannot_be_are_refused() {
    let wrong = [
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/",
        "10.0.0.0/8/8",
        "10.0.0/8",
        "010.0.0.0/8",
        "256.0.0.0/8",
        "2001:db8::/129",
        "::ffff:10.0.0.0/8",
        "2001:db8:::/32",
        "[2001:db8::1]",
        "fe80::1%eth0",
        "127.0.0.1:80",
        "127.0.0.1,nginx",
        "127.0.0.1,,::1",
        "127.0.0.1,",
        "127.0.0.1 ::1",
        "127.0.0.1;::1",
        "localhost",
        "loopback",
        "*",
        "unix:",
        "hops",
        "hops:",
        "hops:0",
        "hops:-1",
        "hops:1.5",
        "hops:x",
        "hops:70000",
        "hops:1,10.0.0.0/8",
        "10.0.0.0/8,hops:1",
    ];
    for source in ["x-forwarded-for", "peer"] {
        let wrong = wrong.map(|proxies| [("CLIENT_IP_SOURCE", source), ("TRUSTED_PROXIES", proxies)]);
        assert_refused(&wrong.iter().map(<[_; 2]>::as_slice).collect::<Vec<_>>()).await;
    }
    let sources = ["X-Forwarded-For", "xff", "cf-connecting-ip", "peer,forwarded", "x-forwarded-for "];
    let sources = sources.map(|source| [("CLIENT_IP_SOURCE", source)]);
    assert_refused(&sources.iter().map(<[_; 1]>::as_slice).collect::<Vec<_>>()).await;
}

#[tokio::test]
async fn proxies_that_are_perhaps_not_meant_are_told_of() {
    for (source, proxies, event) in [
        ("x-forwarded-for", "", "no proxy is trusted"),
        ("forwarded", "0.0.0.0/0", "every address is a trusted proxy"),
        ("x-real-ip", "127.0.0.1,::/0", "every address is a trusted proxy"),
        ("x-forwarded-for", "10.1.2.3/8", "network=10.0.0.0/8"),
        ("peer", "10.0.0.0/8", "CLIENT_IP_SOURCE is peer"),
        ("peer", "hops:1", "CLIENT_IP_SOURCE is peer"),
    ] {
        let instance = Instance::start(&[("CLIENT_IP_SOURCE", source), ("TRUSTED_PROXIES", proxies)]).await;
        instance.logged(event).await;
    }
    let quiet =
        Instance::start(&[("CLIENT_IP_SOURCE", "forwarded"), ("TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")]).await;
    assert!(!quiet.log().join("").contains("prox"), "{:?}", quiet.log());
}

#[tokio::test]
async fn impossible_stores_are_refused_and_no_password_is_shown() {
    let key = session_key();
    let stores = [
        "foo://hunter2@localhost",
        "hunter2",
        "redis://",
        "redis://:hunter2@localhost/database",
        "redis://:hunter2@localhost:99999/0",
        "redis+sentinel://:hunter2@a:1,b:2",
        "redis-sentinel://:hunter2@a:1,,b:2/main",
        "redis+sentinel://a:1/main?sentinel_username=hunter2",
        "redis+cluster://:hunter2@a:1,,b:2",
        "rediss+cluster://:hunter2@a:1,b:2/1",
        "http://user:hunter2@localhost/",
        "Memory",
    ];
    for store in stores {
        let line = refusal(&[("SESSION_KEYS", &key), ("STORE", store)]).await;
        assert!(line.starts_with("STORE = "), "{store}: {line}");
        assert!(!line.contains("hunter2") && !line.contains(&key), "{store}: {line}");
    }
    let shared = [("SESSION_KEYS", key.as_str()), ("STORE", "redis://127.0.0.1:1")];
    for (name, value) in [("STORE_ATTEMPTS", "0"), ("STORE_TIMEOUT_MS", "0"), ("STORE_BUDGET_MS", "0")] {
        let line = refusal(&[shared[0], shared[1], (name, value)]).await;
        assert!(line.starts_with(&format!("{name} = {value}")), "{line}");
    }
}

#[tokio::test]
async fn impossible_keys_are_refused_and_never_shown() {
    let good = session_key();
    let cases = [
        ("c2hvcnRrZXlzaG9ydGtleXNob3J0a2V5", "key 1 of 1: has 24 bytes, at least 32 are needed"),
        ("no+base64!", "key 1 of 1: is not base64"),
        (&format!("{good},"), "key 2 of 2: is empty"),
        (&format!("{good},c2hvcnQ="), "key 2 of 2: has 5 bytes, at least 32 are needed"),
        (&format!("{good};{good}"), "key 1 of 1: is not base64"),
    ];
    for (keys, reason) in cases {
        let line = refusal(&[("SESSION_KEYS", keys)]).await;
        assert_eq!(line, format!("SESSION_KEYS = {reason}"));
    }
    let missing = refusal(&[("STORE", "redis://127.0.0.1:1")]).await;
    assert!(missing.starts_with("SESSION_KEYS = : must be set"), "{missing}");
}

#[tokio::test]
async fn possible_settings_start() {
    let key = session_key();
    let cases: [&[(&str, &str)]; 9] = [
        &[],
        &[("SESSION_KEYS", "")],
        &[("SESSION_IDLE", "1"), ("SESSION_REFRESH_WITHIN", "1"), ("SESSION_ABSOLUTE", "1")],
        &[("SESSION_ABSOLUTE", "0"), ("SESSION_IDLE_ANONYMOUS", "0")],
        &[("COOKIE_NAME", "__Host-sid"), ("COOKIE_SECURE", "always"), ("COOKIE_PARTITIONED", "true")],
        &[("COOKIE_NAME", "__Secure-a"), ("COOKIE_SECURE", "always"), ("COOKIE_DOMAIN", ".Example.org")],
        &[("DURABILITY", "async"), ("SESSION_CAP", "0"), ("CLIENT_IP_SOURCE", "peer"), ("DRIFT", "off")],
        &[("STORE", "redis://:pass@127.0.0.1:1/2"), ("SESSION_KEYS", &key), ("LOG", "json")],
        &[("STORE", "redis+sentinel://u:pass@127.0.0.1:1,[::1]:1/main/2"), ("SESSION_KEYS", &key)],
    ];
    for env in cases {
        let instance = Instance::start(env).await;
        assert_eq!(Browser::new(instance.url()).get("/me").send().await.status, 200, "{env:?}");
    }
}

#[tokio::test]
async fn without_keys_a_warning_says_that_no_session_survives() {
    let instance = Instance::start(&[("LOG", "json")]).await;
    let line = instance.logged("SESSION_KEYS is not set").await;
    assert!(line.contains("\"level\":\"WARN\""), "{line}");
}

#[tokio::test]
async fn a_store_on_a_unix_socket_works() {
    let redis = RedisServer::start().await;
    let instance = Instance::start(&[("STORE", redis.unix_url()), ("SESSION_KEYS", session_key())]).await;
    let browser = Browser::new(instance.url());
    for count in 1..=3 {
        assert_eq!(browser.get("/count").send().await.json()["count"], count);
    }
    assert_eq!(redis.records().await.len(), 1);
}

#[tokio::test]
async fn a_store_with_a_password_a_database_and_a_prefix_works() {
    let redis = RedisServer::start_with(&["--requirepass", "p@ss"]).await;
    let store = format!("redis://:p%40ss@127.0.0.1:{}/3", redis.port());
    let key = session_key();
    let env = [("STORE", store.as_str()), ("SESSION_KEYS", &key), ("STORE_PREFIX", "shop:")];
    let instance = Instance::start(&env).await;
    let browser = Browser::new(instance.url());
    assert_eq!(browser.get("/count").send().await.status, 200);
    let keys = redis.cli(&["-n", "3", "KEYS", "*"]).await;
    assert!(keys.contains("shop:s:") && keys.lines().all(|key| key.starts_with("shop:")), "{keys}");
    let wrong = format!("redis://:wrong@127.0.0.1:{}/3", redis.port());
    let instance = Instance::start(&[("STORE", wrong.as_str()), ("SESSION_KEYS", &key)]).await;
    let answer = browser.at(instance.url()).get("/me").send().await;
    assert_eq!((answer.status, answer.set_cookies().len()), (503, 0));
    assert!(!instance.log().join("\n").contains("wrong@"), "{:?}", instance.log());
}
