//! Servers that ask for a certificate of ours.

use stickless::store::{Pem, Tls};

use super::{LOOPBACK, answers, authority, issued, trusting};
use crate::harness::{Authority, Certificate, RedisServer};

/// It trusts clients whom this authority vouches for, and those alone.
async fn strict(authority: &Authority, versions: &str) -> RedisServer {
    let mut options = authority.redis_options(&issued(authority, LOOPBACK));
    options.extend(["--tls-auth-clients", "yes", "--tls-protocols", versions].map(str::to_owned));
    RedisServer::start_with(&options.iter().map(String::as_str).collect::<Vec<_>>()).await
}

fn with(tls: Tls, Certificate { certificate, key }: Certificate) -> Tls {
    tls.client(Pem::file(certificate), Pem::file(key))
}

#[tokio::test]
async fn a_server_that_wants_a_client_certificate_has_ours_and_no_other() {
    let (authority, stranger) = (authority(), authority());
    for versions in ["TLSv1.2", "TLSv1.3"] {
        let server = strict(&authority, versions).await;
        let (url, trusting) = (server.url(), || trusting(&authority));
        assert_eq!(answers(&url, with(trusting(), issued(&authority, "shop"))).await, Ok(()), "{versions}");
        let without = answers(&url, trusting()).await.expect_err("no certificate");
        assert!(without.contains("client certificate"), "{versions}: {without}");
        let strange = answers(&url, with(trusting(), issued(&stranger, "shop"))).await.expect_err("another's");
        assert!(strange.contains("our client certificate"), "{versions}: {strange}");
        let expired = authority.issue_expired(&["shop"]).expect("a certificate");
        let expired = answers(&url, with(trusting(), expired)).await.expect_err("an old one");
        assert!(expired.contains("our client certificate"), "{versions}: {expired}");
    }
}
