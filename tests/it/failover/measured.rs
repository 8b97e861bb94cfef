//! What failovers lose, over several rounds: figures for the page on Redis. It proves nothing, and takes minutes:
//!
//! ```sh
//! cargo test --all-features --test it what_failovers_lose -- --ignored --nocapture
//! ```

use super::HUNDRED_WRITES;
use super::{SECOND, fleet};
use crate::load::{Load, Rules, alone};

#[derive(Debug, Clone, Copy)]
enum Kind {
    Planned,
    Killed,
    Frozen,
}

const ROUNDS: usize = 5;

#[tokio::test]
#[ignore = "measures for some minutes"]
async fn what_failovers_lose() {
    let _turn = alone().await;
    for kind in [Kind::Planned, Kind::Killed, Kind::Frozen] {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let fleet = fleet().await;
            let load = Load::start(&fleet.urls(), HUNDRED_WRITES).await;
            load.pass(3 * SECOND).await;
            let (begun, master) = (load.now(), &fleet.redis.nodes[0].server);
            match kind {
                Kind::Planned => {
                    fleet.redis.failover().await;
                }
                Kind::Killed => master.kill(),
                Kind::Frozen => master.freeze(),
            }
            load.pass(4 * SECOND).await;
            master.thaw();
            load.pass(SECOND).await;
            let history = load.stop().await;
            let verdict = history.check(&Rules { may_lose: u64::MAX, refusals: &[503], ..Rules::default() });
            let slowest = history.slowest(begun, begun + 4 * SECOND);
            println!("{kind:?}: slowest {slowest:?}, {verdict}");
            rounds.push((verdict.lost.sum(), verdict.refused(), slowest));
        }
        rounds.sort_unstable();
        println!(
            "{kind:?}: (acknowledged writes lost, requests refused, slowest), from the best to the worst: {rounds:?}"
        );
    }
}
