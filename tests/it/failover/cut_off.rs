//! The network is parted: two masters, each with instances that can reach it only.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::SECOND;
use crate::harness::{Instance, Mode, Replicated, ReplicatedSettings, TcpProxy, session_key};
use crate::load::{Load, Plan, Rules, alone, in_rounds};

/// An instance of one side, which has its own ways to the Sentinels and no other.
struct Side {
    instance: Instance,
    wires: Vec<TcpProxy>,
}

impl Side {
    async fn start(name: &str, redis: &Replicated, key: &str) -> Self {
        let mut wires = Vec::new();
        for sentinel in &redis.sentinels {
            wires.push(TcpProxy::start(sentinel.port()).await);
        }
        let ports: Vec<u16> = wires.iter().map(TcpProxy::port).collect();
        let store = Replicated::url_through(&ports);
        let env = [("INSTANCE", name), ("STORE", &store), ("SESSION_KEYS", key), ("STORE_BUDGET_MS", "3000")];
        Self { instance: Instance::start(&env).await, wires }
    }

    async fn load(&self) -> Load {
        let plan = Plan { staying: 20, passing: 8, plain: 2, pace: Duration::from_millis(200) };
        Load::start(&[self.instance.url()], plan).await
    }

    fn set(&self, mode: Mode) {
        self.wires.iter().for_each(|wire| wire.set(mode));
    }
}

#[tokio::test]
async fn a_split_brain_with_min_replicas_ends_writes_on_the_old_side_and_is_healed() {
    let _turn = alone().await;
    in_rounds(async || {
        let args = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"];
        let settings = ReplicatedSettings { wires: true, args: &args, ..ReplicatedSettings::default() };
        let redis = Replicated::start_with(settings).await;
        for wire in &redis.sentinel_wires {
            wire.set_for(Ipv4Addr::LOCALHOST, Mode::Swallow);
        }
        let key = session_key();
        let (old, new) = (Side::start("old side", &redis, &key).await, Side::start("new side", &redis, &key).await);
        let (on_old, on_new) = (old.load().await, new.load().await);
        on_old.pass(SECOND).await;

        redis.part(&[0], Mode::Swallow);
        old.set(Mode::Swallow);
        let (master, switch) = redis.new_master(0).await;
        // Until the new master has its replica, and knows it, it refuses writes as well.
        on_old.pass(3 * SECOND).await;
        let (parted_old, parted_new) = (on_old.now(), on_new.now());
        on_old.pass(SECOND).await;
        let (late_old, late_new) = (on_old.now(), on_new.now());
        redis.part(&[0], Mode::Reset);
        on_old.pass(Duration::from_millis(50)).await;
        redis.part(&[0], Mode::Forward);
        old.set(Mode::Forward);
        let healed = on_old.now();
        on_old.pass(3 * SECOND).await;

        let (on_old, on_new) = (on_old.stop().await, on_new.stop().await);
        let healthy = on_old.healthy_after(healed);
        let rules = Rules { budget: Duration::from_millis(3100), refusals: &[503], may_lose: 300, ..Rules::default() };
        let (verdict_old, verdict_new) = (on_old.check(&rules), on_new.check(&rules));
        println!("node {master} after {switch:?}; the old side is healthy {healthy:?} after the healing");
        println!("old side: {verdict_old}\nnew side: {verdict_new}");
        if !(verdict_old.is_in_time() && verdict_new.is_in_time()) {
            return false;
        }
        // Past max-lag nothing is written on the old side, and the new one goes on as ever.
        assert_eq!(on_old.written(parted_old, late_old), 0);
        assert_eq!(on_new.failed(parted_new, late_new), 0);
        true
    })
    .await;
}
