//! TLS to the store, trusting what the system trusts.

use std::process::Command;

use crate::harness::{Browser, Instance, RedisServer, TempDir, find_program, session_key};

/// A certificate for loopback that signs itself, and its key.
fn certificate(dir: &TempDir) -> (String, String) {
    let openssl = find_program("openssl").unwrap_or_else(|error| panic!("{error}"));
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (certificate, key) = (path("tls.crt"), path("tls.key"));
    let made = Command::new(openssl)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args([
            "-subj",
            "/CN=loopback",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
        ])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("openssl runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

#[tokio::test]
async fn a_store_over_tls_is_used_when_its_certificate_is_trusted_and_not_otherwise() {
    let dir = TempDir::new("tls").expect("a directory");
    let (certificate, key) = certificate(&dir);
    let redis = RedisServer::start_tls(&certificate, &key).await;

    let env = [("STORE", redis.url()), ("SESSION_KEYS", session_key())];

    let trusting = Instance::start(&[&env[..], &[("SSL_CERT_FILE", certificate)]].concat()).await;
    let browser = Browser::new(trusting.url());
    browser.get("/count").send().await;
    assert_eq!(browser.get("/count").send().await.json()["count"], 2);

    let doubting = Instance::start(&env).await;
    assert_eq!(browser.at(doubting.url()).get("/count").send().await.status, 503);
    assert!(doubting.logged("store_down").await.contains("invalid peer certificate"), "{:?}", doubting.log());
    assert_eq!(browser.get("/count").send().await.json()["count"], 3);
}
