//! A read among a thousand sessions and among many: two servers, asked in turn.
//!
//! Redis finds a key among a million by as many steps as among a thousand, but not in the processor's caches: that costs
//! a bare HGETALL as much, which is asked beside it.

use redis::aio::MultiplexedConnection;
use stickless::store::RedisStore;

use crate::harness::RedisServer;
use crate::meter::{Meter, spread};
use crate::visits;

const FEW: u64 = 1_000;
const MANY: [u64; 3] = [10_000, 100_000, 1_000_000];
const READS: u64 = 40_000;
const ROUNDS: usize = 7;
const MOST: f64 = 1.10;

/// A server, and two ways to ask it.
struct Side {
    server: [RedisServer; 1],
    store: RedisStore,
    bare: MultiplexedConnection,
}

/// Of a read, µs: by the store this process' and Redis', then Redis' by hand.
type Costs = [f64; 3];

pub(crate) async fn holds() -> bool {
    let mut flat = true;
    for listpack in ["64", "512"] {
        println!(
            "a read, µs of CPU, and the ratio to one among {FEW} with its spread; hash-max-listpack-value {listpack}:"
        );
        println!("  {:>9}   {:30}{:30}{:30}", "among", "own", "Redis'", "Redis', of a bare HGETALL");
        let (few, many) = (side(listpack).await, side(listpack).await);
        visits::create(&few.store, 0..FEW).await;
        let mut filled = 0;
        for count in MANY {
            visits::create(&many.store, filled..count).await;
            filled = count;
            flat &= compare(&few, &many, count).await;
        }
    }
    flat
}

/// Whether what this process takes is the same, and what Redis takes grows as a bare HGETALL does.
async fn compare(few: &Side, many: &Side, count: u64) -> bool {
    let (mut costs, mut ratios) = ([const { Vec::new() }; 3], [const { Vec::new() }; 3]);
    // The first round fills caches, and does not count.
    for round in 0..=ROUNDS {
        let (base, this) = (read(few, FEW).await, read(many, count).await);
        if round > 0 {
            for kind in 0..3 {
                costs[kind].push(this[kind]);
                ratios[kind].push(this[kind] / base[kind]);
            }
        }
    }
    let (costs, ratios) = (costs.map(spread), ratios.map(spread));
    print!("  {count:>9}");
    for kind in 0..3 {
        let [low, ratio, high] = ratios[kind];
        print!("   {:27}", format!("{:.2}   {ratio:.2} ({low:.2}–{high:.2})", costs[kind][1]));
    }
    println!();
    ratios[0][1] <= MOST && ratios[1][1] <= ratios[2][1] * MOST
}

async fn read(side: &Side, sessions: u64) -> Costs {
    let before = Meter::read(&side.server).await;
    visits::read(&side.store, sessions, READS).await;
    let between = Meter::read(&side.server).await;
    visits::read_by_hand(&side.bare, sessions, READS).await;
    let (by_store, by_hand) = (between.since(before, READS), Meter::read(&side.server).await.since(between, READS));
    [by_store.own, by_store.redis, by_hand.redis]
}

async fn side(listpack: &str) -> Side {
    let server = [RedisServer::start_with(&["--hash-max-listpack-value", listpack]).await];
    let store = RedisStore::connect(&server[0].url()).expect("a store");
    let client = redis::Client::open(server[0].url()).expect("a URL");
    let bare = client.get_multiplexed_async_connection().await.expect("a connection");
    Side { server, store, bare }
}
