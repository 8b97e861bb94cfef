//! Which cookies the browser keeps, where it sends them, and that it lets go of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::sleep;

use super::{SHOP, Site};
use crate::harness::Chromium;

#[tokio::test]
async fn a_host_prefixed_cookie_is_stored_and_sent_back_to_its_host_alone() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[("COOKIE_NAME", "__Host-sid")]).await;
    for count in 1..=3 {
        tab.open(site.at(SHOP, "/count")).await;
        assert_eq!(tab.json().await, json!({ "count": count, "session": count > 1 }));
    }
    let cookies = tab.cookies().await;
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let is = |name: &str| &cookies[0][name];
    assert_eq!([is("name"), is("domain"), is("path"), is("sameSite")], ["__Host-sid", SHOP, "/", "Lax"]);
    assert_eq!([is("httpOnly"), is("secure"), is("session")], [true, true, false]);
    assert_eq!(tab.eval("document.cookie").await, "", "no script sees it");
    for host in ["example.com", "eu.shop.example.com"] {
        assert_eq!(site.me(tab, host).await["session"], false, "{host}");
    }
}

#[tokio::test]
async fn a_parent_domains_cookie_is_shared_by_its_subdomains_and_not_with_a_sister_domain() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[("COOKIE_DOMAIN", SHOP)]).await;
    site.log_in(tab, "eu.shop.example.com", "ada").await;
    for host in [SHOP, "eu.shop.example.com", "us.shop.example.com"] {
        assert_eq!(site.me(tab, host).await["user"], "ada", "{host}");
    }
    for host in ["example.com", "pay.example.com", "myshop.example.com", "example.org"] {
        assert_eq!(site.me(tab, host).await["session"], false, "{host}");
    }
    site.log_out(tab, "us.shop.example.com").await;
    assert_eq!(site.me(tab, "eu.shop.example.com").await["session"], false);
    assert_eq!(tab.cookies().await, Vec::<Value>::new());
}

#[tokio::test]
async fn with_auto_the_cookie_is_secure_where_the_browser_came_by_https() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let env = [("COOKIE_SECURE", "auto"), ("CLIENT_IP_SOURCE", "x-forwarded-for"), ("TRUSTED_PROXIES", "127.0.0.1")];
    let site = Site::start(&chromium, &env).await;
    let plain = format!("http://example.net:{}", site.nginx.port());
    for (url, secure) in [(site.at(SHOP, "/count"), true), (format!("{plain}/count"), false)] {
        for count in 1..=2 {
            tab.open(&url).await;
            assert_eq!(tab.json().await["count"], count, "{url}");
        }
        let cookies = tab.cookies().await;
        let of_this = cookies.iter().filter(|cookie| cookie["secure"] == secure).count();
        assert_eq!(of_this, 1, "{url}: {cookies:?}");
    }
}

#[tokio::test]
async fn a_log_out_removes_the_cookie_whatever_its_attributes() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let cases: [&[(&str, &str)]; 5] = [
        &[],
        &[("COOKIE_NAME", "__Host-sid"), ("COOKIE_SAME_SITE", "strict")],
        &[("COOKIE_DOMAIN", "example.com"), ("COOKIE_HTTP_ONLY", "false")],
        &[("COOKIE_PARTITIONED", "true"), ("COOKIE_SAME_SITE", "none")],
        &[("COOKIE_PERSISTENT", "false"), ("COOKIE_NAME", "__Secure-sid")],
    ];
    for env in cases {
        let site = Site::start(&chromium, env).await;
        site.log_in(tab, SHOP, "ada").await;
        assert_eq!(tab.cookies().await.len(), 1, "{env:?}");
        assert_eq!(site.me(tab, SHOP).await["user"], "ada", "{env:?}");
        site.log_out(tab, SHOP).await;
        assert_eq!(tab.cookies().await, Vec::<Value>::new(), "{env:?}");
        assert_eq!(site.me(tab, SHOP).await["session"], false, "{env:?}");
    }
}

#[tokio::test]
async fn a_log_out_after_a_change_of_the_domain_leaves_no_cookie_behind() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    for (before, after) in [("", "example.com"), ("example.com", ""), (SHOP, "example.com,example.org")] {
        let mut site = Site::start_on(1, &chromium, &[("COOKIE_DOMAIN", before)]).await;
        site.log_in(tab, SHOP, "ada").await;
        // What was issued in the second in which an instance begins may be its own.
        let second = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").subsec_nanos();
        sleep(Duration::from_nanos((1_000_000_000 - second).into())).await;
        let mut env = site.fleet.env(&[("COOKIE_SECURE", "always"), ("COOKIE_DOMAIN", after)]);
        env.retain(|(name, _)| name != "INSTANCE");
        site.fleet.instances[0].restart_with(&env).await;
        assert_eq!(site.me(tab, SHOP).await["user"], "ada", "{before} to {after}: still by the old cookie");
        site.log_out(tab, SHOP).await;
        assert_eq!(tab.cookies().await, Vec::<Value>::new(), "{before} to {after}");
    }
}

#[tokio::test]
async fn on_each_of_the_operators_domains_the_cookie_is_kept_and_shared_by_its_subdomains() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[("COOKIE_DOMAIN", "shop.example.com,example.org")]).await;
    for (host, sister, user) in [("eu.shop.example.com", SHOP, "ada"), ("www.example.org", "example.org", "bob")] {
        site.log_in(tab, host, user).await;
        assert_eq!(site.me(tab, sister).await["user"], user, "{sister}");
        tab.open(site.at(host, "/")).await;
        assert!(tab.text(".pairs").await.contains(&format!("Domain={sister}")), "as the page says at {host}");
    }
    assert_eq!(site.me(tab, "us.shop.example.com").await["user"], "ada", "each domain has its own");
    // Covered by none of them: for this host alone.
    site.log_in(tab, "www.example.net", "eve").await;
    assert_eq!(site.me(tab, "www.example.net").await["user"], "eve");
    assert_eq!(site.me(tab, "example.net").await["session"], false);
    let mut domains: Vec<_> = tab.cookies().await.iter().map(|cookie| cookie["domain"].to_string()).collect();
    domains.sort();
    assert_eq!(domains, ["\".example.org\"", "\".shop.example.com\"", "\"www.example.net\""]);
}
