//! What nodes want to be called.

use super::{Browser, Cluster};
use crate::harness::{Instance, session_key};

#[tokio::test]
async fn nodes_that_announce_a_name_or_nothing_at_all_are_found() {
    // Without an endpoint, a node is where the one that was asked is.
    for (endpoint, host) in [("hostname", "localhost"), ("unknown-endpoint", "127.0.0.1")] {
        let args = ["--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", endpoint];
        let cluster = Cluster::start_with(&args).await;
        let env = [("STORE", cluster.url_through(&[1])), ("SESSION_KEYS", session_key())];
        let instance = Instance::start(&env).await;
        // So many that each shard has some of them.
        let browsers: Vec<Browser> = (0..48).map(|_| Browser::new(instance.url())).collect();
        for browser in &browsers {
            assert_eq!(browser.post("/login?user=ada").send().await.status, 204, "{endpoint}");
        }
        let master = cluster.failover(0).await;
        for browser in &browsers {
            assert_eq!(browser.get("/me").send().await.json()["user"], "ada", "{endpoint}");
        }
        let port = cluster.nodes[master].port();
        instance.logged(&format!("node={host}:{port}")).await;
    }
}
