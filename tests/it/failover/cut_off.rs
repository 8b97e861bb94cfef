//! The network is parted: two masters, each with instances that can reach it only.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::SECOND;
use crate::harness::{Instance, Mode, Replicated, ReplicatedSettings, TcpProxy, session_key};
use crate::load::{Load, Plan, Rules, alone};

#[tokio::test]
async fn a_split_brain_with_min_replicas_ends_writes_on_the_old_side_and_is_healed() {
    let _turn = alone().await;
    let args = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "1"];
    let settings = ReplicatedSettings { wires: true, args: &args, ..ReplicatedSettings::default() };
    let redis = Replicated::start_with(settings).await;
    // Instances of each side have their own ways to the Sentinels, and no other.
    for wire in &redis.sentinel_wires {
        wire.set_for(Ipv4Addr::LOCALHOST, Mode::Swallow);
    }
    let key = session_key();
    let mut sides = Vec::new();
    for name in ["old side", "new side"] {
        let mut wires = Vec::new();
        for sentinel in &redis.sentinels {
            wires.push(TcpProxy::start(sentinel.port()).await);
        }
        let ports: Vec<u16> = wires.iter().map(TcpProxy::port).collect();
        let store = Replicated::url_through(&ports);
        let env = [("INSTANCE", name), ("STORE", &store), ("SESSION_KEYS", &key), ("STORE_BUDGET_MS", "3000")];
        sides.push((Instance::start(&env).await, wires));
    }
    let plan = Plan { staying: 20, passing: 8, plain: 2, pace: Duration::from_millis(200) };
    let [old, new] = [&sides[0].0, &sides[1].0];
    let (on_old, on_new) = (Load::start(&[old.url()], plan).await, Load::start(&[new.url()], plan).await);
    on_old.pass(SECOND).await;

    redis.part(&[0], Mode::Swallow);
    for wire in &sides[0].1 {
        wire.set(Mode::Swallow);
    }
    let (master, switch) = redis.new_master(0).await;
    // Until the new master has its replica, and knows it, it refuses writes as well.
    on_old.pass(3 * SECOND).await;
    let (parted_old, parted_new) = (on_old.now(), on_new.now());
    on_old.pass(SECOND).await;
    let (late_old, late_new) = (on_old.now(), on_new.now());
    redis.part(&[0], Mode::Reset);
    on_old.pass(Duration::from_millis(50)).await;
    redis.part(&[0], Mode::Forward);
    for wire in &sides[0].1 {
        wire.set(Mode::Forward);
    }
    let healed = on_old.now();
    on_old.pass(3 * SECOND).await;

    let (on_old, on_new) = (on_old.stop().await, on_new.stop().await);
    let healthy = on_old.healthy_after(healed);
    let rules = Rules { budget: Duration::from_millis(3100), refusals: &[503], may_lose: 300, ..Rules::default() };
    let (verdict_old, verdict_new) = (on_old.check(&rules), on_new.check(&rules));
    println!("node {master} after {switch:?}; the old side is healthy {healthy:?} after the healing");
    println!("old side: {verdict_old}\nnew side: {verdict_new}");
    verdict_old.assert_clean();
    verdict_new.assert_clean();
    // Past max-lag nothing is written on the old side, and the new one goes on as ever.
    assert_eq!(on_old.written(parted_old, late_old), 0);
    assert_eq!(on_new.failed(parted_new, late_new), 0);
}
