//! The rows of the table in `nginx/README.md`, each with the real nginx. The client is 127.0.0.9, every proxy 127.0.0.1.

use serde_json::{Value, json};

use crate::harness::{Chromium, Instance, Nginx, NginxSettings, raw};
use crate::until;

const README: &str = include_str!("../../../nginx/README.md");

/// The lines of the README that stand in place of one of the bundled files.
fn edit(bundled: &str, readme: &str) -> (String, String) {
    let is_there = README.lines().any(|line| line.trim() == readme) || README.contains(&format!("`{readme}`"));
    assert!(is_there, "not in the README: {readme}");
    (bundled.to_owned(), readme.to_owned())
}

/// What the README puts into `http`, by its first line there.
fn http_block(first: &str) -> (String, String) {
    let blocks = README.split("```nginx\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks
        .flat_map(|block| block.split("# in "))
        .find_map(|part| part.strip_prefix("http\n")?.starts_with(first).then_some(part));
    let block = block.unwrap_or_else(|| panic!("not in the README: {first}"));
    let include = "    include stickless-upstream.conf;";
    (include.to_owned(), format!("{}\n{include}", block.strip_prefix("http\n").unwrap_or_default()))
}

async fn instance(source: &str, proxies: &str) -> Instance {
    Instance::start(&[("CLIENT_IP_SOURCE", source), ("TRUSTED_PROXIES", proxies), ("COOKIE_SECURE", "auto")]).await
}

async fn nginx(upstream: u16, edits: Vec<(String, String)>) -> Nginx {
    Nginx::start_with(NginxSettings { upstreams: vec![upstream], edits, ..NginxSettings::default() }).await
}

/// What `/probe` answers to a client that claims to be somebody else, by every header there is.
async fn probe(port: u16, more: &str) -> Value {
    probe_at("shop.example", port, more).await
}

async fn probe_at(host: &str, port: u16, more: &str) -> Value {
    let request = format!(
        "GET /probe HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: 6.6.6.6, 127.0.0.1\r\nX-Forwarded-Proto: https\r\n\
         X-Forwarded-Host: evil.example\r\nX-Real-IP: 6.6.6.6\r\nForwarded: for=6.6.6.6;proto=https;host=evil.example\r\n\
         {more}\r\n"
    );
    let answer = raw([127, 0, 0, 9].into(), port, request.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

const CLOSE: &str = "Connection: close\r\n";

fn the_client() -> Value {
    json!({ "client_ip": "127.0.0.9", "scheme": "http", "host": "shop.example" })
}

const APPEND: (&str, &str) = (
    "proxy_set_header X-Forwarded-For   $remote_addr;",
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
);
const PASS_PROTO: (&str, &str) =
    ("proxy_set_header X-Forwarded-Proto $scheme;", "proxy_set_header X-Forwarded-Proto $stickless_scheme;");

#[tokio::test]
async fn behind_one_nginx_that_overwrites_the_client_is_who_nginx_sees() {
    for source in ["x-forwarded-for", "x-real-ip"] {
        for proxies in ["127.0.0.1", "hops:1"] {
            let app = instance(source, proxies).await;
            let nginx = nginx(app.port(), vec![]).await;
            assert_eq!(probe(nginx.port(), CLOSE).await, the_client(), "{source} {proxies}");
        }
    }
}

#[tokio::test]
async fn behind_one_nginx_that_sends_forwarded_the_client_is_who_nginx_sees() {
    let app = instance("forwarded", "127.0.0.1").await;
    let line = "proxy_set_header Forwarded \"for=$stickless_for;proto=$scheme$stickless_host\";";
    let edits =
        vec![edit("proxy_set_header Forwarded         \"\";", line), http_block("map $remote_addr $stickless_for")];
    let nginx = nginx(app.port(), edits).await;
    assert_eq!(probe(nginx.port(), CLOSE).await, the_client());
    // Hosts that end the quotes in which they would stand.
    for host in ["a\",for=6.6.6.6;proto=https;x=\"b", "a\";for=6.6.6.6;x=\"b", "a\\", "a,for=6.6.6.6"] {
        let nobody = json!({ "client_ip": "127.0.0.9", "scheme": "http", "host": null });
        assert_eq!(probe_at(host, nginx.port(), CLOSE).await, nobody, "{host}");
    }
}

#[tokio::test]
async fn behind_an_nginx_that_appends_the_rightmost_is_the_client() {
    for proxies in ["127.0.0.1", "hops:1"] {
        let app = instance("x-forwarded-for", proxies).await;
        let nginx = nginx(app.port(), vec![edit(APPEND.0, APPEND.1)]).await;
        assert_eq!(probe(nginx.port(), CLOSE).await, the_client(), "{proxies}");
    }
}

/// The inner of two proxies, with what the README has for it.
async fn inner(app: &Instance, more: Vec<(String, String)>) -> Nginx {
    let lines = [edit(PASS_PROTO.0, PASS_PROTO.1), http_block("geo $realip_remote_addr $stickless_outer")];
    nginx(app.port(), more.into_iter().chain(lines).collect()).await
}

#[tokio::test]
async fn behind_two_proxies_in_a_chain_the_client_is_who_the_outer_one_sees() {
    for proxies in ["127.0.0.1", "hops:2"] {
        let app = instance("x-forwarded-for", proxies).await;
        let inner = inner(&app, vec![edit(APPEND.0, APPEND.1)]).await;
        let outer = nginx(inner.port(), vec![]).await;
        assert_eq!(probe(outer.port(), CLOSE).await, the_client(), "{proxies}");
    }
    // Who comes around the outer one is seen through by its address.
    let app = instance("x-forwarded-for", "127.0.0.1").await;
    let inner = inner(&app, vec![edit(APPEND.0, APPEND.1)]).await;
    assert_eq!(probe(inner.port(), CLOSE).await, the_client());
}

#[tokio::test]
async fn behind_an_nginx_with_realip_the_client_is_who_the_outer_one_sees() {
    let app = instance("x-forwarded-for", "127.0.0.1").await;
    let realip = http_block("set_real_ip_from 127.0.0.1;");
    let geo = http_block("geo $realip_remote_addr $stickless_outer");
    let both = (realip.0.clone(), format!("{}\n{}", realip.1.replace(&realip.0, ""), geo.1));
    let inner = nginx(app.port(), vec![edit(PASS_PROTO.0, PASS_PROTO.1), both]).await;
    let outer = nginx(inner.port(), vec![]).await;
    assert_eq!(probe(outer.port(), CLOSE).await, the_client());
    assert_eq!(probe(inner.port(), CLOSE).await, the_client());
}

#[tokio::test]
async fn a_websocket_upgrade_has_the_same_client() {
    let app = instance("x-forwarded-for", "127.0.0.1").await;
    let nginx = nginx(app.port(), vec![]).await;
    // Whoever does not speak WebSocket answers as ever, and nginx ends the connection.
    let upgrade = "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    assert_eq!(probe(nginx.port(), upgrade).await, the_client());
}

#[tokio::test]
async fn a_browser_that_speaks_http_2_with_nginx_is_seen_over_https() {
    let chromium = Chromium::turn().await;
    let app = instance("x-forwarded-for", "127.0.0.1").await;
    let inner = inner(&app, vec![edit(APPEND.0, APPEND.1)]).await;
    for upstream in [app.port(), inner.port()] {
        let settings =
            NginxSettings { upstreams: vec![upstream], tls: Some(chromium.certificate()), ..NginxSettings::default() };
        let edge = Nginx::start_with(settings).await;
        let tab = chromium.tab();
        tab.open(format!("https://shop.example.com:{}/probe", edge.tls_port())).await;
        let seen = json!({ "client_ip": "127.0.0.1", "scheme": "https", "host": "shop.example.com" });
        assert_eq!(tab.json().await, seen);
        let logged = async || edge.access_log().iter().any(|line| line.contains("GET /probe HTTP/2.0"));
        until("the request is logged as one of HTTP/2", logged).await;
        tab.open(format!("https://shop.example.com:{}/count", edge.tls_port())).await;
        let cookie = tab.cookies().await.into_iter().find(|cookie| cookie["name"] == "sid").expect("a cookie");
        assert_eq!(cookie["secure"], true, "{cookie}");
    }
}
