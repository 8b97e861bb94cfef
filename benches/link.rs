//! What the link costs beside a bare multiplexed connection: attempts, limits, budgets and the slot.
//!
//! ```sh
//! cargo bench --bench link
//! ```
//!
//! One thread, 64 tasks, a private Redis. Rounds of the same command by either way take turns, so that what else the
//! machine does falls on both. CPU time is this process's own, by the kernel's account. The link is judged as a share of
//! the cheapest request that uses a session: a read of a small record. The bench fails above 5 %. It also shows what more
//! connections bring, which is why there is one by default.

#[path = "../tests/harness/lib.rs"]
mod harness;

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use stickless::store::{Act, Budget, Create, RedisStore, Sighting, Store as _, Write, WriteId};
use tokio::task::JoinSet;

use harness::RedisServer;

const TASKS: usize = 64;
const CALLS: usize = 400;
const ROUNDS: usize = 15;
const SHARE_MOST: f64 = 0.05;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = RedisServer::start().await;
    for connections in [1, 2, 4] {
        compare(&server, connections).await;
    }
}

async fn compare(server: &RedisServer, connections: usize) {
    let store = RedisStore::builder(server.url()).connections(connections).build().expect("a store");
    let handle = record(&store).await;
    let bare = bare(server).await;
    let key = format!("stickless:s:{handle}");

    let (mut role, mut ping, mut read, mut load) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut rate = Vec::new();
    for _ in 0..ROUNDS {
        role.push(round(|| ask_role(bare.clone())).await);
        ping.push(round(|| ask_ping(store.clone())).await);
        read.push(round(|| ask_read(bare.clone(), key.clone())).await);
        let begun = Instant::now();
        load.push(round(|| ask_load(store.clone(), handle)).await);
        rate.push(f64::from(u32::try_from(TASKS * CALLS).expect("small")) / begun.elapsed().as_secs_f64());
    }
    let [role, ping, read, load] = [role, ping, read, load].map(median);
    let link = ping - role;
    println!("{connections} connections, µs of CPU a call:");
    println!("  ROLE    bare {role:.2}   link {ping:.2}   so the link costs {link:.2}");
    println!("  a read  bare {read:.2}   link {load:.2}   both with the reply taken apart");
    println!("  {:.0} reads a second by the link", median(rate));
    let share = link / read;
    println!("  the link's share of a read: {:.1} %", share * 100.0);
    if connections == 1 {
        assert!(share <= SHARE_MOST, "more than {:.0} %", SHARE_MOST * 100.0);
    }
}

/// CPU time of one call, in microseconds, with many under way.
async fn round<F, Fut>(call: F) -> f64
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (mut tasks, before) = (JoinSet::new(), cpu());
    for _ in 0..TASKS {
        tasks.spawn(call());
    }
    tasks.join_all().await;
    cpu().saturating_sub(before).as_secs_f64() * 1e6 / f64::from(u32::try_from(TASKS * CALLS).expect("small"))
}

async fn ask_role(mut bare: MultiplexedConnection) {
    for _ in 0..CALLS {
        let mut pipe = redis::pipe();
        pipe.cmd("ROLE");
        bare.send_packed_commands(&pipe, 0, 1).await.expect("an answer");
    }
}

async fn ask_ping(store: RedisStore) {
    for _ in 0..CALLS {
        store.ping(&Budget::default()).await.expect("an answer");
    }
}

async fn ask_read(mut bare: MultiplexedConnection, key: String) {
    for _ in 0..CALLS {
        let mut pipe = redis::pipe();
        pipe.cmd("HGETALL").arg(&key).cmd("PTTL").arg(&key);
        let (fields, life): (HashMap<String, String>, i64) = pipe.query_async(&mut bare).await.expect("an answer");
        std::hint::black_box((fields, life));
    }
}

async fn ask_load(store: RedisStore, handle: stickless::Handle) {
    for _ in 0..CALLS {
        store.load(&[handle], &Budget::default()).await.expect("an answer");
    }
}

async fn record(store: &RedisStore) -> stickless::Handle {
    let handle = "AAAAAAAAAAAAAAAAAAAAAA".parse().expect("a handle");
    let data = [("cart".to_owned(), "[1,2,3]".to_owned()), ("n".to_owned(), "7".to_owned())].into();
    let create = Create {
        user: None,
        membership: None,
        idle: (Duration::from_secs(3600), false),
        absolute: None,
        seen: Sighting::default(),
        data,
    };
    let id = WriteId::random().expect("random numbers");
    let write = Write { handle, generation: 1, id, act: Act::Create(create) };
    store.apply(&write, &Budget::default()).await.expect("an answer");
    handle
}

async fn bare(server: &RedisServer) -> MultiplexedConnection {
    let client = redis::Client::open(server.url()).expect("a URL");
    client.get_multiplexed_async_connection().await.expect("a connection")
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// What this thread has run, as the kernel counts it.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("a number"))
}
