//! What is said when TLS does not come about, and that all else goes on.

use std::path::Path;

use super::{LOOPBACK, authority, instance, issued};
use crate::harness::{Authority, Browser, Certificate, RedisServer, TempDir, self_signed};

const PASSWORD: &str = "hunter2hunter2";

/// With a password, which no log may show.
async fn server(certificate: Option<&Certificate>) -> RedisServer {
    let plain = ["--requirepass", PASSWORD];
    let Some(Certificate { certificate, key }) = certificate else { return RedisServer::start_with(&plain).await };
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let tls = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    RedisServer::start_with(&[&plain[..], &tls[..]].concat()).await
}

/// An instance that cannot have its store says so in one line, with these words, and goes on without.
async fn assert_told(scheme: &str, server: &RedisServer, ca: Option<&Path>, words: &str) {
    let url = format!("{scheme}://:{PASSWORD}@127.0.0.1:{}", server.port());
    let instance = instance(&url, ca).await;
    let line = instance.logged("store_down").await;
    assert!(line.contains(words) && line.contains("\"ERROR\""), "{words}: {line}");
    let browser = Browser::new(instance.url());
    for path in ["/readyz", "/count", "/me", "/readyz", "/count"] {
        // A first visit reads nothing.
        let answer = browser.get(path).send().await;
        assert!(answer.status == 503 || path == "/me", "{path}: {}", answer.status);
        assert_eq!(answer.set_cookies().len(), 0, "{path}");
    }
    assert_eq!(browser.get("/static").send().await.status, 200);
    let log = instance.log();
    assert_eq!(log.iter().filter(|line| line.contains("store_down")).count(), 1, "{words}: {log:#?}");
    assert!(!log.join("").contains(PASSWORD), "{log:#?}");
}

async fn assert_distrusted(certificate: &Certificate, ca: &Authority, words: &str) {
    let server = server(Some(certificate)).await;
    assert_told("rediss", &server, Some(&ca.certificate()), words).await;
}

#[tokio::test]
async fn an_expired_certificate_is_said_to_be_expired() {
    let authority = authority();
    let expired = authority.issue_expired(&[LOOPBACK]).expect("a certificate");
    assert_distrusted(&expired, &authority, "the server's certificate has expired").await;
}

#[tokio::test]
async fn a_certificate_for_another_name_is_said_to_be_for_another_name() {
    let authority = authority();
    let elsewhere = issued(&authority, "redis.example");
    assert_distrusted(&elsewhere, &authority, "the server's certificate is for another name").await;
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_is_not_trusted_is_said_to_be_so() {
    let stranger = authority();
    assert_distrusted(
        &issued(&stranger, LOOPBACK),
        &authority(),
        "the server's certificate is signed by nobody whom we trust",
    )
    .await;
}

#[tokio::test]
async fn plain_text_on_a_port_for_tls_is_said_to_be_that_perhaps() {
    let authority = authority();
    let certificate = issued(&authority, LOOPBACK);
    let words = "its port may be for TLS (rediss://)";
    assert_told("redis", &server(Some(&certificate)).await, None, words).await;
    // Without a password the first question is another one.
    let open = RedisServer::start_tls(&certificate).await;
    for (before, after) in [("rediss", "redis"), ("rediss", "redis+cluster")] {
        let instance = instance(&open.url().replace(before, after), None).await;
        let line = instance.logged("store_down").await;
        assert!(line.contains(words), "{line}");
    }
}

#[tokio::test]
async fn tls_on_a_port_for_plain_text_is_said_to_be_that_perhaps() {
    let (server, authority) = (server(None).await, authority());
    assert_told("rediss", &server, Some(&authority.certificate()), "is for plain text (redis://)").await;
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_trusted_for_its_name_and_its_time_where_it_is_named() {
    let [dir, another] = [(); 2].map(|()| TempDir::new("tls").expect("a directory"));
    let signed = |name, clock| self_signed(&dir, name, clock).expect("a certificate");
    let good = signed(LOOPBACK, None);
    let redis = RedisServer::start_tls(&good).await;
    let trusting = instance(&redis.url(), Some(&good.certificate)).await;
    assert_eq!(Browser::new(trusting.url()).get("/count").send().await.status, 200);
    // Only itself, whoever else has made one like it.
    let like = self_signed(&another, LOOPBACK, None).expect("a certificate");
    let doubting = server(Some(&like)).await;
    assert_told("rediss", &doubting, Some(&good.certificate), "the server's certificate").await;
    let elsewhere = signed("redis.example", None);
    let words = "the server's certificate is for another name";
    assert_told("rediss", &server(Some(&elsewhere)).await, Some(&elsewhere.certificate), words).await;
    let expired = signed("127.0.0.2", Some("-9d"));
    let words = "the server's certificate has expired";
    assert_told("rediss", &server(Some(&expired)).await, Some(&expired.certificate), words).await;
}
