//! The permissions that the documentation names are enough, and none of them is for nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use stickless::store::{Endings, RedisStore, Roster as _};
use tokio::time::sleep;

use crate::acts::{assert_kept, behaves};
use crate::cluster::follow_a_slot;
use crate::harness::{Fleet, RedisServer};
use crate::unhurried;

const DOCS: &str = include_str!("../../docs/redis.md");
const PASSWORD: &str = "hunter2hunter2";
/// For one replica, as long as that takes.
const WAITS: &str = "replicas:1:5000";

/// The rules of the documentation's section: of nodes, of nodes of a Cluster besides, of Sentinels.
fn rules() -> [Vec<String>; 3] {
    let section = DOCS.split("## Permissions\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    let blocks = section.split("```").skip(1).step_by(2).map(|block| block.strip_prefix("text\n").expect("rules"));
    let blocks: Vec<Vec<String>> = blocks.map(words).collect();
    blocks.try_into().expect("three lists")
}

fn words(rules: &str) -> Vec<String> {
    rules.split_whitespace().map(|word| word.replace(">password", &format!(">{PASSWORD}"))).collect()
}

/// The commands that rules permit.
fn permitted(rules: &[String]) -> BTreeSet<String> {
    rules.iter().filter_map(|rule| rule.strip_prefix('+')).map(str::to_owned).collect()
}

async fn grant(server: &RedisServer, rules: &[String]) {
    let words: Vec<&str> = ["ACL", "SETUSER", "app"].into_iter().chain(rules.iter().map(String::as_str)).collect();
    assert_eq!(server.cli(&words).await, "OK");
    server.cli(&["CONFIG", "RESETSTAT"]).await;
}

/// With the user in it.
fn with_user(url: &str) -> String {
    url.replacen("://", &format!("://app:{PASSWORD}@"), 1)
}

/// What was refused.
async fn refused(server: &RedisServer) -> BTreeSet<String> {
    let log = server.cli(&["ACL", "LOG"]).await;
    let lines: Vec<&str> = log.lines().collect();
    lines.windows(2).filter(|pair| pair[0] == "object").map(|pair| pair[1].to_owned()).collect()
}

/// All commands that the server has run, also inside scripts.
async fn ran(server: &RedisServer) -> BTreeSet<String> {
    let stats = server.cli(&["INFO", "commandstats"]).await;
    let name = |line: &str| Some(line.strip_prefix("cmdstat_")?.split(':').next()?.to_owned());
    stats.lines().filter_map(name).collect()
}

/// A listener comes and goes.
async fn listen_for_a_while(url: &str, servers: &[&RedisServer]) {
    let store = RedisStore::connect(url).expect("a store");
    let endings: Endings = store.endings();
    let everywhere = |command: &'static str| async move {
        for _ in 0..1000 {
            for server in servers {
                if ran(server).await.contains(command) {
                    return;
                }
            }
            sleep(Duration::from_millis(5)).await;
        }
        panic!("nobody was asked to {command}");
    };
    everywhere("subscribe").await;
    drop(endings);
    everywhere("unsubscribe").await;
}

#[tokio::test]
async fn a_user_with_the_permissions_of_the_documentation_may_do_all_that_is_needed_and_nothing_else() {
    let [rules, ..] = rules();
    let server = RedisServer::start().await;
    grant(&server, &rules).await;
    let url = with_user(&server.url());
    let fleet = Fleet::start_on(server, 3, &[("STORE", &url)]).await;
    behaves(&fleet).await;
    fleet.redis.cli(&["SCRIPT", "FLUSH"]).await;
    let browser = behaves(&fleet).await;
    assert_kept(&fleet, &browser).await;
    listen_for_a_while(&url, &[&fleet.redis]).await;
    // The documentation says that this one may be granted besides, and why it is not.
    assert_eq!(refused(&fleet.redis).await, ["config|get".to_owned()].into());
    let unused: Vec<_> = permitted(&rules).difference(&ran(&fleet.redis).await).cloned().collect();
    assert!(unused.is_empty(), "permitted and never needed: {unused:?}");
}

#[tokio::test]
async fn what_may_be_left_out_of_the_permissions_is_missed_by_no_user() {
    let [mut rules, ..] = rules();
    let optional = ["+client|setname", "+info", "+script|load"];
    let before = rules.len();
    rules.retain(|rule| !optional.contains(&rule.as_str()));
    assert_eq!(rules.len(), before - optional.len());
    let server = RedisServer::start().await;
    grant(&server, &rules).await;
    let url = with_user(&server.url());
    let fleet = Fleet::start_on(server, 3, &[("STORE", &url)]).await;
    let browser = behaves(&fleet).await;
    fleet.redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert_kept(&fleet, &browser).await;
    let left_out = optional.map(|rule| rule[1..].to_owned()).into_iter().chain(["config|get".to_owned()]).collect();
    assert_eq!(refused(&fleet.redis).await, left_out);
}

#[tokio::test]
async fn on_a_cluster_too_the_permissions_of_the_documentation_are_enough() {
    let [rules, more, _] = rules();
    let cluster = unhurried::cluster(&[]).await;
    let rules = [rules, more.clone()].concat();
    for node in &cluster.nodes {
        grant(node, &rules).await;
    }
    let url = with_user(&cluster.url());
    let fleet = Fleet::start_on(cluster, 3, &[("STORE", &url), ("STORE_BUDGET_MS", "8000")]).await;
    let browser = behaves(&fleet).await;
    follow_a_slot(&fleet).await;
    let nodes: Vec<&RedisServer> = fleet.redis.nodes.iter().collect();
    listen_for_a_while(&url, &nodes).await;
    fleet.redis.failover(0).await;
    assert_kept(&fleet, &browser).await;
    let mut all = BTreeSet::new();
    for node in nodes {
        all.extend(ran(node).await);
        let refused: Vec<_> = refused(node).await.into_iter().filter(|command| command != "config|get").collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
    let unused: Vec<_> = permitted(&more).difference(&all).cloned().collect();
    assert!(unused.is_empty(), "permitted and never needed: {unused:?}");
}

#[tokio::test]
async fn under_sentinel_too_the_permissions_of_the_documentation_are_enough() {
    let [mut rules, _, sentinels] = rules();
    // Where writes wait for replicas.
    rules.push("+wait".to_owned());
    let servers = unhurried::replicated(&[]).await;
    for node in &servers.nodes {
        grant(&node.server, &rules).await;
    }
    let words: Vec<&str> = ["ACL", "SETUSER", "app"].into_iter().chain(sentinels.iter().map(String::as_str)).collect();
    for sentinel in &servers.sentinels {
        assert_eq!(sentinel.cli(&words).await.expect("an answer"), "OK");
    }
    let url = with_user(&servers.url()) + &format!("?sentinel_username=app&sentinel_password={PASSWORD}");
    let fleet =
        Fleet::start_on(servers, 3, &[("STORE", &url), ("STORE_BUDGET_MS", "8000"), ("DURABILITY", WAITS)]).await;
    let browser = behaves(&fleet).await;
    fleet.redis.failover().await;
    assert_kept(&fleet, &browser).await;
    behaves(&fleet).await;
    for node in &fleet.redis.nodes {
        let refused: Vec<_> =
            refused(&node.server).await.into_iter().filter(|command| command != "config|get").collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
    for sentinel in &fleet.redis.sentinels {
        let log = sentinel.cli(&["ACL", "LOG"]).await.expect("an answer");
        assert!(log.is_empty(), "{log}");
        let clients = sentinel.cli(&["CLIENT", "LIST"]).await.expect("an answer");
        let listens = |line: &str| line.contains("user=app") && line.contains(" sub=10 ");
        assert_eq!(clients.lines().filter(|line| listens(line)).count(), 3, "{clients}");
    }
}
