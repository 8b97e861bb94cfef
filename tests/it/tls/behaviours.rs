//! Over TLS, users have what they have without.

use std::process::Command;

use super::{LOOPBACK, authority, issued};
use crate::acts::{assert_kept, behaves};
use crate::cluster::follow_a_slot;
use crate::harness::{
    Authority, Browser, Fleet, Instance, RedisServer, Replicated, ReplicatedSettings, Store, binary, session_key,
};
use crate::unhurried;

/// An authority, and options of servers whose certificate it signed.
fn encrypted() -> (Authority, Vec<String>) {
    let authority = authority();
    let options = authority.redis_options(&issued(&authority, LOOPBACK));
    (authority, options)
}

/// Three instances, the first requests of a user on each.
async fn fleet<S: Store>(redis: S, authority: &Authority, env: &[(&str, &str)]) -> Fleet<S> {
    assert!(redis.url().starts_with("rediss"), "{}", redis.url());
    let ca = authority.certificate().display().to_string();
    Fleet::start_on(redis, 3, &[&[("STORE_CA", ca.as_str())], env].concat()).await
}

#[tokio::test]
async fn a_node_over_tls_serves_users_as_without_and_its_restart_logs_nobody_out() {
    let (authority, mut options) = encrypted();
    options.extend(["--appendonly", "yes", "--appendfsync", "always"].map(str::to_owned));
    let redis = RedisServer::start_with(&options.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut fleet = fleet(redis, &authority, &[("STORE_BUDGET_MS", "5000")]).await;
    let browser = behaves(&fleet).await;
    fleet.redis.kill();
    fleet.redis.restart().await;
    assert_kept(&fleet, &browser).await;
    fleet.redis.restart().await;
    assert_kept(&fleet, &browser).await;
    for instance in &fleet.instances {
        let log = instance.log();
        assert!(!log.join("").contains("certificate"), "{log:#?}");
    }
}

#[tokio::test]
async fn an_administrators_command_line_trusts_the_authority_that_it_is_given() {
    let (authority, options) = encrypted();
    let redis = RedisServer::start_with(&options.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let fleet = fleet(redis, &authority, &[]).await;
    assert_eq!(fleet.browser().post("/login?user=ada").send().await.status, 204);
    let end_all = async |env: &[(&str, String)]| {
        let mut command = Command::new(binary("sessions").unwrap_or_else(|error| panic!("{error}")));
        command.args(["--store", &fleet.redis.url(), "end-all", "ada"]).envs(env.iter().cloned());
        let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(end_all(&[]).await, (Some(2), String::new()));
    let ca = [("STORE_CA", authority.certificate().display().to_string())];
    assert_eq!(end_all(&ca).await, (Some(0), "1 ended\n".to_owned()));
}

#[tokio::test]
async fn under_sentinel_over_tls_all_links_are_encrypted_and_a_killed_master_logs_nobody_out() {
    let (authority, options) = encrypted();
    let args: Vec<&str> = options.iter().map(String::as_str).collect();
    let servers = Replicated::start_with(ReplicatedSettings { args: &args, ..ReplicatedSettings::default() }).await;
    // Long enough for a failover, also after an election that nobody won.
    let fleet = fleet(servers, &authority, &[("STORE_BUDGET_MS", "15000")]).await;
    let browser = behaves(&fleet).await;
    let old = fleet.redis.master().await;
    // What is not replicated yet would be lost with it.
    fleet.redis.calm().await;
    fleet.redis.copied(old).await;
    fleet.redis.nodes[old].server.kill();
    assert_kept(&fleet, &browser).await;
    let (new, _) = fleet.redis.new_master(old).await;
    behaves(&fleet).await;
    let clients = fleet.redis.nodes[new].server.cli(&["CLIENT", "LIST"]).await;
    assert!(clients.contains("name=stickless"), "{clients}");
}

#[tokio::test]
async fn on_a_cluster_over_tls_users_are_served_as_without_and_redirects_are_followed() {
    let (authority, options) = encrypted();
    let cluster = unhurried::cluster(&options.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let fleet = fleet(cluster, &authority, &[("STORE_BUDGET_MS", "8000")]).await;
    let browser = behaves(&fleet).await;
    follow_a_slot(&fleet).await;
    for master in 0..2 {
        fleet.redis.failover(master).await;
    }
    assert_kept(&fleet, &browser).await;
    // Slots on their way by way of redis-cli, into the hands of a replica of before.
    fleet.redis.calm().await;
    fleet.redis.reshard(2, 3, 100).await;
    assert_kept(&fleet, &browser).await;
}

#[tokio::test]
async fn a_store_is_used_when_the_system_trusts_its_certificate() {
    let authority = authority();
    let redis = RedisServer::start_tls(&issued(&authority, LOOPBACK)).await;
    let env = [
        ("STORE", redis.url()),
        ("SESSION_KEYS", session_key()),
        ("SSL_CERT_FILE", authority.certificate().display().to_string()),
    ];
    let instance = Instance::start(&env).await;
    let browser = Browser::new(instance.url());
    browser.get("/count").send().await;
    assert_eq!(browser.get("/count").send().await.json()["count"], 2);
}
