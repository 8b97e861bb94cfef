//! Sentinels over in-memory pipes that say what a test wants, and real servers that they speak of.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stickless::store::{Budget, Dial, RedisStore, RedisStoreBuilder, Store as _};
use tokio::io::{AsyncWriteExt as _, BufReader, DuplexStream, duplex};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep};

use super::super::wire::{Wire, frame};
use crate::harness::RedisServer;

/// Sentinels 1 to 3, at ports of their number, and nodes at ports that a test gives them.
#[derive(Clone)]
pub(super) struct Council(Arc<Shared>);

struct Shared {
    sentinels: [Mutex<Sentinel>; 3],
    nodes: Mutex<HashMap<u16, Wire>>,
}

pub(super) struct Sentinel {
    /// What it says: the master's port, the number of the configuration, the flags.
    pub(super) master: Option<u16>,
    pub(super) epoch: u64,
    pub(super) flags: &'static str,
    /// New connections are refused, and open ones closed at the next question.
    pub(super) away: bool,
    /// Questions are not answered.
    pub(super) silent: bool,
    /// `HELLO` as it came last.
    pub(super) hello: Vec<String>,
    events: broadcast::Sender<String>,
}

impl Council {
    /// All say that this is the master.
    pub(super) fn on(node: &RedisServer) -> Self {
        let sentinel = || {
            let events = broadcast::channel(16).0;
            let (master, epoch, flags) = (Some(node.port()), 1, "master");
            Mutex::new(Sentinel { master, epoch, flags, away: false, silent: false, hello: Vec::new(), events })
        };
        let council =
            Self(Arc::new(Shared { sentinels: std::array::from_fn(|_| sentinel()), nodes: Mutex::default() }));
        council.seat(node);
        council
    }

    /// A node can be reached at its port.
    pub(super) fn seat(&self, node: &RedisServer) {
        lock(&self.0.nodes).insert(node.port(), Wire::to(node));
    }

    /// The wire to the node at this port.
    pub(super) fn wire(&self, port: u16) -> Option<Wire> {
        lock(&self.0.nodes).get(&port).cloned()
    }

    pub(super) fn sentinel(&self, number: usize) -> MutexGuard<'_, Sentinel> {
        lock(&self.0.sentinels[number - 1])
    }

    /// The same change to each.
    pub(super) fn each(&self, change: impl Fn(&mut Sentinel)) {
        (1..=3).for_each(|number| change(&mut self.sentinel(number)));
    }

    /// One Sentinel announces something.
    pub(super) fn announce(&self, number: usize, event: &str, text: &str) {
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        let push = format!(">3\r\n{}{}{}", bulk("message"), bulk(event), bulk(text));
        // Nobody may be listening.
        let _ = self.sentinel(number).events.send(push);
    }

    pub(super) fn switch(&self, number: usize, to: &RedisServer) {
        self.announce(number, "+switch-master", &format!("main node 1 node {}", to.port()));
    }

    /// The first Sentinel alone is in the URL, unless there are more.
    pub(super) fn builder(&self, sentinels: usize) -> RedisStoreBuilder {
        let hosts: Vec<_> = (1..=sentinels).map(|number| format!("sentinel:{number}")).collect();
        let url = format!("redis+sentinel://{}/main?sentinel_username=us&sentinel_password=pass", hosts.join(","));
        let council = self.clone();
        RedisStore::builder(url).dial(Dial::to(move |host, port| {
            let council = council.clone();
            async move { council.dial(&host, port) }
        }))
    }

    /// A store that is connected, and knows all three.
    pub(super) async fn store(&self, builder: RedisStoreBuilder) -> RedisStore {
        let store = builder.build().expect("a store");
        store.ping(&Budget::default()).await.expect("the store answers");
        let begun = Instant::now();
        while (1..=3).any(|number| self.sentinel(number).events.receiver_count() == 0) {
            assert!(begun.elapsed() < Duration::from_secs(5), "not all are listened to");
            sleep(Duration::from_millis(1)).await;
        }
        store
    }

    fn dial(&self, host: &str, port: u16) -> io::Result<DuplexStream> {
        if host != "sentinel" {
            return self.wire(port).map(|wire| wire.connect()).ok_or(io::ErrorKind::ConnectionRefused.into());
        }
        if self.sentinel(port.into()).away {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (near, far) = duplex(64 * 1024);
        let council = self.clone();
        tokio::spawn(async move { council.speak(port.into(), far).await });
        Ok(near)
    }

    async fn speak(&self, number: usize, stream: DuplexStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut events: Option<broadcast::Receiver<String>> = None;
        loop {
            let heard = async {
                match &mut events {
                    Some(events) => events.recv().await.ok(),
                    None => std::future::pending().await,
                }
            };
            let command = tokio::select! {
                Some(push) = heard => {
                    stream.write_all(push.as_bytes()).await?;
                    continue;
                }
                command = frame(&mut stream) => words(&command?),
            };
            let reply = {
                let mut sentinel = self.sentinel(number);
                if sentinel.away {
                    return Ok(());
                }
                if sentinel.silent {
                    continue;
                }
                if command[0] == "SUBSCRIBE" {
                    events = Some(sentinel.events.subscribe());
                }
                sentinel.reply(number, &command)
            };
            stream.write_all(reply.as_bytes()).await?;
        }
    }
}

impl Sentinel {
    fn reply(&mut self, number: usize, command: &[String]) -> String {
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        let map = |pairs: &[(&str, String)]| {
            let pairs_text: String = pairs.iter().map(|(name, value)| bulk(name) + &bulk(value)).collect();
            format!("%{}\r\n{pairs_text}", pairs.len())
        };
        match (command[0].as_str(), command.get(1).map(String::as_str)) {
            ("HELLO", _) => {
                self.hello = command.to_vec();
                "%1\r\n$5\r\nproto\r\n:3\r\n".into()
            }
            ("SUBSCRIBE", _) => {
                let confirm = |(index, event): (usize, &String)| {
                    format!(">3\r\n{}{}:{}\r\n", bulk("subscribe"), bulk(event), index + 1)
                };
                command[1..].iter().enumerate().map(confirm).collect()
            }
            ("SENTINEL", Some("MYID")) => bulk(&format!("id{number}")),
            ("SENTINEL", Some("GET-MASTER-ADDR-BY-NAME")) => match self.master {
                Some(port) => format!("*2\r\n{}{}", bulk("node"), bulk(&port.to_string())),
                None => "_\r\n".into(),
            },
            ("SENTINEL", Some("MASTER")) if self.master.is_some() => {
                map(&[("flags", self.flags.into()), ("config-epoch", self.epoch.to_string())])
            }
            ("SENTINEL", Some("SENTINELS")) if self.master.is_some() => {
                let others = (1..=3).filter(|other| *other != number);
                let other = |other: usize| {
                    map(&[("runid", format!("id{other}")), ("ip", "sentinel".into()), ("port", other.to_string())])
                };
                format!("*2\r\n{}", others.map(other).collect::<String>())
            }
            ("SENTINEL", _) => "-ERR No such master with that name\r\n".into(),
            _ => "+OK\r\n".into(),
        }
    }
}

fn words(command: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(command);
    text.split("\r\n").skip(2).step_by(2).map(str::to_owned).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
