//! TLS to the store: what is trusted, what is said where it is not, and that users notice nothing of it.

mod behaviours;
mod clients;
mod distrust;
mod names;
mod settings;

use std::path::Path;

use stickless::store::{Budget, Pem, RedisStore, Store as _, Tls};

use crate::harness::{Authority, Certificate, Instance, session_key};

const LOOPBACK: &str = "127.0.0.1";

fn authority() -> Authority {
    Authority::new().expect("an authority")
}

fn issued(authority: &Authority, name: &str) -> Certificate {
    authority.issue(&[name]).expect("a certificate")
}

/// TLS that trusts this authority.
fn trusting(authority: &Authority) -> Tls {
    Tls::default().ca(Pem::file(authority.certificate()))
}

/// The settings of an instance that trusts these certificates.
fn env(url: &str, ca: Option<&Path>) -> Vec<(&'static str, String)> {
    let ca = ca.map(|ca| ("STORE_CA", ca.display().to_string()));
    let store = [("STORE", url.to_owned()), ("SESSION_KEYS", session_key()), ("LOG", "json".to_owned())];
    store.into_iter().chain(ca).collect()
}

async fn instance(url: &str, ca: Option<&Path>) -> Instance {
    Instance::start(&env(url, ca)).await
}

/// Whether a store answers; else its error, with the cause.
async fn answers(url: &str, tls: Tls) -> Result<(), String> {
    let store = RedisStore::builder(url).tls(tls).build().expect("settings that can work");
    store.ping(&Budget::default()).await.map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    })
}
