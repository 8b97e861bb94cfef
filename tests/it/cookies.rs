//! The cookie on the wire, in both directions.

use serde_json::json;

use crate::harness::{Answer, Browser, Client, Instance, session_key};

/// An instance with these settings, and a new user.
async fn start(env: &[(&str, &str)]) -> (Instance, Browser) {
    let instance = Instance::start(env).await;
    let browser = Browser::new(instance.url());
    (instance, browser)
}

/// The attributes of the one cookie that an answer sets, sorted.
fn attributes(answer: &Answer) -> Vec<String> {
    let lines = answer.set_cookies();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let mut attributes: Vec<_> = lines[0].split("; ").skip(1).map(str::to_owned).collect();
    attributes.sort();
    attributes
}

type Env = &'static [(&'static str, &'static str)];

/// Longer than browsers keep any cookie: the longest life that a session without absolute limit can have.
const DAYS_400: &str = "Max-Age=34560000";

#[tokio::test]
async fn each_setting_has_its_attribute() {
    let cases: [(Env, &[&str]); 11] = [
        (&[], &["HttpOnly", DAYS_400, "Path=/", "SameSite=Lax"]),
        (&[("COOKIE_SECURE", "always")], &["HttpOnly", DAYS_400, "Path=/", "SameSite=Lax", "Secure"]),
        (&[("COOKIE_SECURE", "never")], &["HttpOnly", DAYS_400, "Path=/", "SameSite=Lax"]),
        (&[("COOKIE_SAME_SITE", "strict")], &["HttpOnly", DAYS_400, "Path=/", "SameSite=Strict"]),
        (
            &[("COOKIE_SAME_SITE", "none"), ("COOKIE_SECURE", "always")],
            &["HttpOnly", DAYS_400, "Path=/", "SameSite=None", "Secure"],
        ),
        (&[("COOKIE_DOMAIN", ".Example.org")], &["Domain=example.org", "HttpOnly", DAYS_400, "Path=/", "SameSite=Lax"]),
        (&[("COOKIE_PATH", "/shop")], &["HttpOnly", DAYS_400, "Path=/shop", "SameSite=Lax"]),
        (&[("COOKIE_HTTP_ONLY", "false")], &[DAYS_400, "Path=/", "SameSite=Lax"]),
        (
            &[("COOKIE_PARTITIONED", "true"), ("COOKIE_SECURE", "always")],
            &["HttpOnly", DAYS_400, "Partitioned", "Path=/", "SameSite=Lax", "Secure"],
        ),
        (&[("COOKIE_PERSISTENT", "false")], &["HttpOnly", "Path=/", "SameSite=Lax"]),
        (&[("SESSION_ABSOLUTE", "7200")], &["HttpOnly", "Max-Age=7200", "Path=/", "SameSite=Lax"]),
    ];
    for (env, wanted) in cases {
        let (_instance, browser) = start(env).await;
        let created = browser.get("/count").send().await;
        assert_eq!(attributes(&created), wanted, "{env:?}");
        // A log-in is only a replacement when all but the value is the same.
        let logged_in = browser.post("/login?user=ada").send().await;
        assert_eq!(attributes(&logged_in), wanted, "{env:?}");
    }
}

#[tokio::test]
async fn the_cookie_has_the_name_of_the_setting_and_no_other_is_read() {
    let key = session_key();
    let env = [("COOKIE_NAME", "__Host-shop"), ("COOKIE_SECURE", "always"), ("SESSION_KEYS", key.as_str())];
    let (instance, browser) = start(&env).await;
    let set = browser.get("/count").send().await.set_cookies();
    assert!(set[0].starts_with("__Host-shop="), "{set:?}");
    let value = set[0].split(['=', ';']).nth(1).expect("a value");
    let session = async |cookie: String| {
        let fresh = Client::new().get(format!("{}/me", instance.url()));
        fresh.cookie(cookie).send().await.json()["session"].clone()
    };
    assert_eq!(session(format!("__Host-shop={value}")).await, true);
    for name in ["__host-shop", "shop", "sid", "\u{2000}__Host-shop", "__Host-shop\u{a0}", "__Secure-shop"] {
        assert_eq!(session(format!("{name}={value}")).await, false, "{name:?}");
    }
}

#[tokio::test]
async fn what_looks_at_the_session_varies_by_cookie_and_is_not_stored_and_what_does_not_is_left_alone() {
    let (_instance, browser) = start(&[]).await;
    for path in ["/me", "/exists?k=a", "/page", "/etag", "/maybe"] {
        let answer = browser.get(path).send().await;
        assert_eq!(answer.header("vary").as_deref(), Some("Cookie"), "{path}");
        let own = match path {
            "/page" => "public, max-age=60",
            "/etag" => "private, no-cache",
            _ => "no-store",
        };
        assert_eq!(answer.header("cache-control").as_deref(), Some(own), "{path}");
    }
    browser.get("/count").send().await;
    for path in ["/static", "/healthz", "/probe"] {
        let answer = browser.get(path).send().await;
        assert_eq!((answer.header("vary"), answer.header("cache-control")), (None, None), "{path}");
    }
    let first = browser.get("/etag").send().await;
    let etag = first.header("etag").expect("an etag");
    let second = browser.get("/etag").header("if-none-match", &etag).send().await;
    assert_eq!((second.status, second.header("vary").as_deref()), (304, Some("Cookie")));
    assert_eq!(second.header("cache-control").as_deref(), Some("private, no-cache"));
}

#[tokio::test]
async fn an_answer_that_sets_the_cookie_is_in_no_shared_cache() {
    let (_instance, browser) = start(&[]).await;
    let public = browser.get("/page").send().await;
    assert_eq!(public.header("cache-control").as_deref(), Some("public, max-age=60"));
    for path in ["/count", "/login?user=ada", "/remember-me?days=1", "/rotate", "/logout"] {
        let request = if path == "/count" { browser.get(path) } else { browser.post(path) };
        let answer = request.send().await;
        assert_eq!(answer.set_cookies().len(), 1, "{path}");
        assert_eq!(answer.header("cache-control").as_deref(), Some("no-store"), "{path}");
        assert_eq!(answer.header("vary").as_deref(), Some("Cookie"), "{path}");
    }
}

#[tokio::test]
async fn foreign_cookies_however_broken_hide_ours_not() {
    let (instance, browser) = start(&[]).await;
    browser.get("/count").send().await;
    let ours = browser.cookie().expect("a session");
    let url = format!("{}/me", instance.url());
    let client = Client::new();
    let many: Vec<_> = (0..500).map(|number| format!("c{number}={number}; ")).collect();
    let forged: Vec<_> = (0..7).map(|number| format!("sid=forged{number}; ")).collect();
    let (many, forged) = (many.concat(), forged.concat());
    let lines: Vec<Vec<u8>> = vec![
        [b"latin=caf\xe9; ".to_vec(), ours.clone().into_bytes()].concat(),
        [ours.clone().into_bytes(), b"; \xff\xfe=\x80".to_vec()].concat(),
        format!("a=\"unclosed; {ours}; b=\"").into_bytes(),
        format!("; ;;=; =x; nameless;{ours};").into_bytes(),
        format!("a=b,c={{\"d\":1}};\t{ours}\t").into_bytes(),
        format!("{many}{ours}").into_bytes(),
        format!("{forged}{ours}").into_bytes(),
        format!("sid=; {ours}").into_bytes(),
        format!("sid=%20; {ours}; sid=x").into_bytes(),
    ];
    for line in &lines {
        let me = client.get(&url).cookie(line).send().await;
        assert_eq!((me.status, me.set_cookies().len()), (200, 0), "{:?}", String::from_utf8_lossy(line));
        assert_eq!(me.json()["session"], true, "{:?}", String::from_utf8_lossy(line));
    }
    let several = client.get(&url).cookie("a=1").cookie(b"b=\xe9").cookie(&ours).cookie("sid=old").send().await;
    assert_eq!(several.json()["session"], true);
}

#[tokio::test]
async fn floods_of_cookies_are_no_5xx() {
    let (instance, browser) = start(&[]).await;
    let url = format!("{}/me", instance.url());
    let long = format!("a={}", "x".repeat(60_000));
    let mut lines = Client::new().get(&url);
    for number in 0..60 {
        lines = lines.cookie(format!("sid={number}"));
    }
    let forged = format!("sid={}; ", "A".repeat(76)).repeat(500);
    for request in [Client::new().get(&url).cookie(long), lines, Client::new().get(&url).cookie(forged)] {
        let answer = request.send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["state"], json!("new"));
    }
    // More than the server takes is its own refusal.
    let huge = (0..20).fold(Client::new().get(&url), |request, _| request.cookie("x".repeat(50_000)));
    let refused = huge.try_send().await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status == 431));
    assert_eq!(browser.get("/count").send().await.status, 200);
}
