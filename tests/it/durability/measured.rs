//! What waiting costs beside other ways to wait: figures for DESIGN.md. It proves nothing.
//!
//! ```sh
//! cargo test --all-features --test it what_waiting_costs -- --ignored --nocapture
//! ```

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use stickless::store::{Act, Durability, LinkState, RedisStore};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::contract::subject::{Subject, done, rotate};
use crate::harness::{Mode, RedisServer, TcpProxy};
use crate::load::alone;

const AT_ONCE: u32 = 64;
const ROUNDS: u32 = 20;

#[tokio::test]
#[ignore = "measures"]
async fn what_waiting_costs() {
    let _turn = alone().await;
    let master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]).await;
    let way = TcpProxy::start(master.port()).await;
    let _replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &way.port().to_string()]).await;
    while master.cli(&["WAIT", "1", "1000"]).await != "1" {}
    for away in [1, 20].map(Duration::from_millis) {
        way.set(Mode::Delay(away / 2));
        let waits = Durability::replicas(1, Duration::from_millis(2500));
        for (name, durability) in [("does not wait", Durability::asynchronous()), ("waits", waits)] {
            println!("a replica {away:?} away, {AT_ONCE} at a time, {name}: {:?}", ours(&master, durability).await);
        }
        for connections in [1, 8, AT_ONCE] {
            let waited = one_by_one(&master, connections).await;
            println!("the same, a WAIT for each write on {connections} connections: {waited:?}");
        }
    }
}

/// The time that half of them took, and 99 of 100.
type Figures = (Duration, Duration);

fn figures(mut took: Vec<Duration>) -> Figures {
    took.sort_unstable();
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

async fn ours(master: &RedisServer, durability: Durability) -> Figures {
    let store = RedisStore::builder(master.unix_url()).durability(durability).budget(Duration::from_secs(5));
    let store = store.build().expect("a store");
    store.watch().wait_for(|state| *state == LinkState::Up).await.expect("it connects");
    let client = async |_| {
        let subject = Subject::with(&store, &[]).await;
        let mut took = Vec::new();
        for generation in 1..=ROUNDS {
            let began = Instant::now();
            done(&subject.act(generation, Act::Apply(rotate())).await);
            took.push(began.elapsed());
        }
        took
    };
    figures(join_all((0..AT_ONCE).map(client)).await.concat())
}

/// Writes of all, each followed by its own WAIT, in turn on so many connections.
async fn one_by_one(master: &RedisServer, connections: u32) -> Figures {
    let connection = async |_| {
        let stream = TcpStream::connect(("127.0.0.1", master.port())).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let (mut stream, mut took) = (BufReader::new(stream), Vec::new());
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let own = AT_ONCE / connections;
            stream.write_all("SET k v\r\nWAIT 1 60000\r\n".repeat(own as usize).as_bytes()).await.expect("sent");
            for reply in 1..=2 * own {
                let mut line = String::new();
                stream.read_line(&mut line).await.expect("a reply");
                if reply % 2 == 0 {
                    took.push(began.elapsed());
                }
            }
        }
        took
    };
    figures(join_all((0..connections).map(connection)).await.concat())
}
