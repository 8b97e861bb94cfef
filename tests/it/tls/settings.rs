//! Settings of TLS that cannot work are refused before anything is dialled.

use stickless::ConfigError;
use stickless::store::{Dial, Pem, RedisStore, Tls};
use tokio::net::TcpStream;

use super::{LOOPBACK, authority, issued};
use crate::harness::{Authority, Instance, TempDir, session_key};

fn refused(url: &str, tls: Tls) -> ConfigError {
    RedisStore::builder(url).tls(tls).build().expect_err("a refusal")
}

/// What is said of the CA in this text.
fn said_of_ca(pem: &str) -> String {
    refused("rediss://h", Tls::default().ca(Pem::text(pem))).to_string()
}

/// The text of a file of an authority's.
fn text(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).expect("text")
}

#[tokio::test]
async fn a_ca_that_cannot_be_used_is_refused_without_a_word_of_it() {
    let good = text(&authority().certificate());
    let cut = &good[..good.len() - 40];
    let garbled = good.replace("\nMII", "\nM!!");
    let empty = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let cases = [
        ("", "ca = a text: holds no certificate in PEM"),
        ("hunter2", "ca = a text: holds no certificate in PEM"),
        (cut, "ca = a text: is broken PEM: cut off, or not in base64"),
        (&garbled, "ca = a text: is broken PEM: cut off, or not in base64"),
        (
            &format!("{good}{empty}"),
            "ca = a text: certificate 2 of 2 cannot be trusted: invalid peer certificate: BadEncoding",
        ),
    ];
    for (pem, words) in cases {
        assert_eq!(said_of_ca(pem), words, "{pem}");
    }
    let nowhere = refused("rediss://h", Tls::default().ca(Pem::file("/nowhere/ca.crt")));
    assert_eq!(nowhere.to_string(), "ca = /nowhere/ca.crt: cannot be read: No such file or directory (os error 2)");
}

#[tokio::test]
async fn a_client_certificate_or_a_key_that_cannot_be_used_is_refused_without_a_word_of_it() {
    let authority = authority();
    let (one, another) = (issued(&authority, "a"), issued(&authority, "b"));
    let certificate = text(&one.certificate);
    let client = |certificate: &str, key: &str| {
        let tls = Tls::default().ca(Pem::file(authority.certificate()));
        refused("rediss://h", tls.client(Pem::text(certificate), Pem::text(key))).to_string()
    };
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let foreign = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    let cases = [
        ("", "", "client = a text: holds no certificate in PEM"),
        (&certificate, "", "client = a text: holds no private key in PEM"),
        (&certificate, &certificate, "client = a text: holds no private key in PEM"),
        (&certificate, locked, "client = a text: holds a key with a password: decrypt it first"),
        (&certificate, &text(&another.key), "client = a text: does not fit the first certificate of our own"),
    ];
    for (certificate, key, words) in cases {
        assert_eq!(client(certificate, key), words);
    }
    let said = client(&certificate, foreign);
    assert!(said.starts_with("client = a text: cannot be used: ") && !said.contains("aGVsbG8"), "{said}");
    let tls = Tls::default().client(Pem::file(one.certificate), Pem::file("/nowhere/a.key"));
    let nowhere = refused("rediss://h", tls.ca(Pem::file(authority.certificate()))).to_string();
    assert_eq!(nowhere, "client = /nowhere/a.key: cannot be read: No such file or directory (os error 2)");
}

#[tokio::test]
async fn tls_that_nothing_would_use_and_names_that_no_certificate_has_are_refused() {
    let plain = "is of no use: the store's URL does not begin with rediss";
    let named = || Tls::default().server_name("redis.internal");
    for url in ["redis://h", "redis+sentinel://h/main", "redis+cluster://h", "unix:///redis.sock"] {
        assert_eq!(refused(url, named()).to_string(), format!("server_name = redis.internal: {plain}"));
    }
    let ca = Tls::default().ca(Pem::file("/ca.crt"));
    assert_eq!(refused("redis://h", ca.clone()).to_string(), format!("ca = /ca.crt: {plain}"));
    assert_eq!(refused("redis://h", Tls::default()).to_string(), format!("tls = default: {plain}"));
    let dial = Dial::new(|| TcpStream::connect("127.0.0.1:1"));
    let both = RedisStore::builder("rediss://h").dial(dial).tls(ca).build().expect_err("a refusal");
    assert_eq!(both.to_string(), "ca = /ca.crt: is of no use: a dial of one's own brings its own TLS");
    let wrong = refused("rediss://h", Tls::default().server_name("a b"));
    assert_eq!(wrong.to_string(), "server_name = a b: is neither a host name nor an address");
    let authority = authority();
    let trusting = || Tls::default().ca(Pem::file(authority.certificate()));
    for url in ["rediss://a..b", "rediss+sentinel://h,a..b/main", "rediss+cluster://h,-"] {
        let nameless = refused(url, trusting());
        assert_eq!(nameless.to_string(), "store = rediss: has a host that no certificate can name", "{url}");
    }
    RedisStore::builder("rediss://a..b").tls(trusting().server_name("a")).build().expect("a name of its own");
    RedisStore::builder("rediss://[fe80::1%eth0]").tls(trusting()).build().expect("an address");
}

#[tokio::test]
async fn an_instance_is_not_started_with_a_ca_that_cannot_be_used() {
    let (authority, dir) = (authority(), TempDir::new("tls").expect("a directory"));
    let certificate = authority.certificate().display().to_string();
    let key = issued(&authority, LOOPBACK).key.display().to_string();
    let empty = dir.write("empty.crt", "").expect("a file").display().to_string();
    let cases = [
        ("rediss://127.0.0.1:1", "/nowhere/ca.crt", "cannot be read: No such file or directory (os error 2)"),
        ("rediss+sentinel://127.0.0.1:1/main", &key, "holds no certificate in PEM"),
        ("rediss+cluster://127.0.0.1:1", &empty, "holds no certificate in PEM"),
        ("redis://127.0.0.1:1", &certificate, "is of no use: the store's URL does not begin with rediss"),
        ("memory", &certificate, "is of no use: STORE is memory"),
    ];
    for (store, ca, words) in cases {
        let keys = session_key();
        let env = [("STORE", store), ("SESSION_KEYS", &keys), ("STORE_CA", ca)];
        let (status, log) = Instance::run_to_exit(&env).await;
        assert_eq!((status.code(), log), (Some(2), format!("STORE_CA = {ca}: {words}")));
    }
}

#[tokio::test]
async fn neither_the_authority_nor_a_key_shows_in_debug() {
    let authority: Authority = authority();
    let issued = issued(&authority, LOOPBACK);
    let tls = Tls::default().ca(Pem::text("hunter2")).client(Pem::text("hunter2"), Pem::file(&issued.key));
    let shown = format!("{tls:?}");
    assert!(!shown.contains("hunter2") && shown.contains(&issued.key.display().to_string()), "{shown}");
    assert!(!format!("{:?}", RedisStore::builder("rediss://:hunter2@h").tls(tls)).contains("hunter2"));
}
