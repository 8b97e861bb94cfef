//! The crypto provider, which a process has one of: the rest is tested on real servers.

use super::*;
use crate::harness::Authority;

fn check_with(provider: CryptoProvider) -> Result<Handshake, ConfigError> {
    let topology = Topology::Node(Address::new("localhost", 6379));
    let authority = Authority::new().expect("an authority");
    Tls::default().ca(Pem::file(authority.certificate())).check_with(Arc::new(provider), &topology)
}

#[test]
fn a_crypto_provider_that_cannot_be_used_is_refused_with_what_to_do() {
    check_with(ring::default_provider()).expect("ring");
    let none = CryptoProvider { cipher_suites: Vec::new(), ..ring::default_provider() };
    let refused = check_with(none).expect_err("a provider without ciphers").to_string();
    assert!(refused.starts_with("store = rediss: the crypto provider of rustls that the application"), "{refused}");
    assert!(refused.contains("install another one, or none for ring: "), "{refused}");
}

#[test]
fn an_address_has_no_zone_in_a_certificate() {
    let name = |host| server_name(host).map(|name| name.to_str().into_owned());
    assert_eq!(name("fe80::1%eth0").as_deref(), Some("fe80::1"));
    assert_eq!(name("::1").as_deref(), Some("::1"));
    assert_eq!(name("redis.internal").as_deref(), Some("redis.internal"));
    assert_eq!(name("a%b"), None);
    assert_eq!(name(""), None);
}
