//! Names in certificates: of one server, and of servers that others name by address.

use stickless::store::{RedisStore, Tls};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::{LOOPBACK, answers, authority, instance, issued, trusting};
use crate::harness::{Authority, Browser, RedisServer};
use crate::unhurried;

const ANOTHER: &str = "the server's certificate is for another name";

/// Servers that all have one certificate, for a name, and name each other by address.
fn by_name(authority: &Authority) -> Vec<String> {
    authority.redis_options(&issued(authority, "localhost"))
}

#[tokio::test]
async fn a_name_that_is_given_is_verified_in_place_of_the_host_and_sent() {
    let authority = authority();
    let server = RedisServer::start_tls(&issued(&authority, "redis.internal")).await;
    let tls = || trusting(&authority);
    let unnamed = answers(&server.url(), tls()).await.expect_err("an address");
    assert!(unnamed.contains(ANOTHER), "{unnamed}");
    assert_eq!(answers(&server.url(), tls().server_name("redis.internal")).await, Ok(()));
    let wrong = answers(&server.url(), tls().server_name("redis.external")).await.expect_err("another name");
    assert!(wrong.contains(ANOTHER), "{wrong}");
    let by_address = RedisServer::start_tls(&issued(&authority, LOOPBACK)).await;
    let url = by_address.url().replace(LOOPBACK, "localhost");
    assert!(answers(&url, tls()).await.expect_err("a name").contains(ANOTHER));
    assert_eq!(answers(&url, tls().server_name(LOOPBACK)).await, Ok(()));

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("rediss://{}", listener.local_addr().expect("an address"));
    let _store = RedisStore::builder(url).tls(Tls::default().ca(ca(&authority)).server_name("redis.internal")).build();
    let (mut stream, _) = listener.accept().await.expect("a connection");
    let mut hello = [0; 2048];
    let length = stream.read(&mut hello).await.expect("a greeting");
    assert!(hello[..length].windows(14).any(|part| part == b"redis.internal"));
}

fn ca(authority: &Authority) -> stickless::store::Pem {
    stickless::store::Pem::file(authority.certificate())
}

#[tokio::test]
async fn a_master_that_sentinels_name_by_address_needs_a_name_that_its_certificate_has() {
    let authority = authority();
    let options = by_name(&authority);
    let args: Vec<&str> = options.iter().map(String::as_str).collect();
    let servers = unhurried::replicated(&args).await;
    assert_eq!(answers(&servers.url(), trusting(&authority).server_name("localhost")).await, Ok(()));
    // The Sentinels are dialled by name, and the master as they say.
    let instance = instance(&servers.url().replace(LOOPBACK, "localhost"), Some(&authority.certificate())).await;
    let line = instance.logged("store_down").await;
    assert!(line.contains(ANOTHER), "{line}");
    assert_eq!(Browser::new(instance.url()).get("/readyz").send().await.status, 503);
    // The Sentinels themselves, too.
    let unnamed = answers(&servers.url(), trusting(&authority)).await.expect_err("addresses");
    assert!(unnamed.contains("none of 3 Sentinels answers") && unnamed.contains(ANOTHER), "{unnamed}");
}

#[tokio::test]
async fn nodes_that_a_cluster_names_by_address_need_a_name_that_their_certificates_have() {
    let authority = authority();
    let options = by_name(&authority);
    let cluster = unhurried::cluster(&options.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(answers(&cluster.url(), trusting(&authority).server_name("localhost")).await, Ok(()));
    let instance = instance(&cluster.url().replace(LOOPBACK, "localhost"), Some(&authority.certificate())).await;
    let line = instance.logged("store_down").await;
    assert!(line.contains(ANOTHER) && line.contains("\"node\":\"127.0.0.1:"), "{line}");
    assert_eq!(Browser::new(instance.url()).get("/readyz").send().await.status, 503);
    let unnamed = answers(&cluster.url(), trusting(&authority)).await.expect_err("addresses");
    assert!(unnamed.contains("none of 6 nodes of the Cluster can be asked") && unnamed.contains(ANOTHER), "{unnamed}");
}
