//! The conversation with one Sentinel.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, SendError};
use redis::{PushInfo, PushKind, Value, from_redis_value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::super::connect::{Door, Drivers, ask, config, late, open};
use super::super::url::Address;
use super::panel::Word;
use super::{Board, HintKind};
use crate::clock::jitter;
use crate::error::Unavailable;
use crate::store::retry;

/// The safety net: how often a Sentinel is asked when nobody needs to know.
const POLL_EVERY: Duration = Duration::from_secs(5);
/// The longest pause before a silent Sentinel is dialled again.
const PAUSE: Duration = Duration::from_secs(1);

/// What a Sentinel announces that concerns us.
const EVENTS: [&str; 10] = [
    "+switch-master",
    "+selected-slave",
    "+odown",
    "-odown",
    "+try-failover",
    "+failover-end",
    "-failover-abort-not-elected",
    "-failover-abort-no-good-slave",
    "-failover-abort-slave-timeout",
    "-failover-abort-master-is-back",
];

/// Talks to one Sentinel for as long as it is wanted.
pub(super) async fn talk(board: Arc<Board>, door: Door, address: Address) {
    let mut question = board.question.subscribe();
    loop {
        let mut asked = question.borrow_and_update().0;
        let ended = converse(&board, &door, &address, &mut question, &mut asked).await;
        board.panel().lose(&address, asked, ended.err());
        board.changed.send_replace(());
        tokio::select! {
            // It is wanted at once.
            _ = question.changed() => {}
            () = sleep(PAUSE / 2 + jitter(PAUSE / 2)) => {}
        }
    }
}

async fn converse(
    board: &Arc<Board>,
    door: &Door,
    address: &Address,
    question: &mut watch::Receiver<(u64, Instant)>,
    asked: &mut u64,
) -> Result<(), Unavailable> {
    let ear = board.clone();
    let config = config().set_push_sender(move |push: PushInfo| {
        ear.hear(&push);
        Ok::<_, SendError>(())
    });
    let mut drivers = Drivers::default();
    let mut connection = open(door, address, config, &mut drivers).await?;
    let id = introduce(door, &mut connection).await?;
    loop {
        *asked = question.borrow_and_update().0;
        let word = word(board, door, &mut connection).await?;
        board.panel().say(address, id.clone(), *asked, word);
        board.changed.send_replace(());
        tokio::select! {
            () = drivers.one_ended() => return Ok(()),
            _ = question.changed() => {}
            () = sleep(POLL_EVERY * 3 / 4 + jitter(POLL_EVERY / 4)) => {}
        }
    }
}

/// Gives our name, listens to what is announced, and learns the Sentinel's id.
async fn introduce(door: &Door, connection: &mut MultiplexedConnection) -> Result<Option<String>, Unavailable> {
    let mut pipe = redis::pipe();
    pipe.cmd("CLIENT").arg("SETNAME").arg(&door.name).cmd("SENTINEL").arg("MYID");
    let replies = ask(door, connection, &pipe).await?;
    timeout(door.limit, connection.subscribe(&EVENTS)).await.map_err(late)?.map_err(retry::unavailable)?;
    Ok(replies.into_iter().nth(1).and_then(|id| from_redis_value(id).ok()))
}

async fn word(board: &Board, door: &Door, connection: &mut MultiplexedConnection) -> Result<Word, Unavailable> {
    let (mut pipe, at) = (redis::pipe(), Instant::now());
    for what in ["GET-MASTER-ADDR-BY-NAME", "MASTER", "SENTINELS"] {
        pipe.cmd("SENTINEL").arg(what).arg(&board.service);
    }
    let mut replies = ask(door, connection, &pipe).await?.into_iter();
    let [master, state, others] = std::array::from_fn(|_| replies.next().unwrap_or(Value::Nil));
    // A refusal is an answer, too: this Sentinel cannot be asked.
    let master = from_redis_value::<Option<(String, u16)>>(master).map_err(|error| retry::unavailable(error.into()))?;
    let state: HashMap<String, String> = from_redis_value(state).unwrap_or_default();
    let flag = |name| state.get("flags").is_some_and(|flags| flags.split(',').any(|flag| flag == name));
    Ok(Word {
        at,
        master: master.map(|(host, port)| Address::new(host, port)),
        epoch: state.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or(0),
        failing: flag("o_down") || flag("failover_in_progress"),
        blind: flag("s_down"),
        others: others_of(others),
    })
}

/// The Sentinels of a reply of `SENTINEL SENTINELS`, by id.
fn others_of(reply: Value) -> BTreeMap<String, Address> {
    let others: Vec<HashMap<String, String>> = from_redis_value(reply).unwrap_or_default();
    let seat = |other: &HashMap<String, String>| {
        let address = Address::new(other.get("ip")?, other.get("port")?.parse().ok()?);
        Some((other.get("runid").filter(|id| !id.is_empty())?.clone(), address))
    };
    others.iter().filter_map(seat).collect()
}

impl Board {
    /// Takes note of what a Sentinel announces; never waits.
    fn hear(&self, push: &PushInfo) {
        let (PushKind::Message, [Value::BulkString(event), Value::BulkString(text)]) =
            (&push.kind, push.data.as_slice())
        else {
            return;
        };
        let text = String::from_utf8_lossy(text);
        let Some(news) = news(&String::from_utf8_lossy(event), &text, &self.service) else { return };
        match &news {
            News::Switched(address) => self.panel().switched(address.clone(), Instant::now()),
            News::Over | News::Abandoned => self.panel().settled(),
            News::Selected(_) | News::Announced => self.panel().announced(Instant::now()),
        }
        match news {
            News::Switched(address) => self.hint(address, HintKind::Switched),
            News::Selected(address) if self.early => self.hint(address, HintKind::Selected),
            News::Abandoned => self.abandon(),
            News::Selected(_) | News::Announced | News::Over => {}
        }
        self.changed.send_replace(());
    }
}

/// What an announcement means.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Switched(Address),
    Selected(Address),
    Announced,
    Over,
    Abandoned,
}

/// Reads an announcement; none when it is of another service.
fn news(event: &str, text: &str, service: &str) -> Option<News> {
    let words: Vec<&str> = text.split(' ').collect();
    let address = |host: &str, port: &str| Some(Address::new(host, port.parse().ok()?));
    match (event, words.as_slice()) {
        ("+switch-master", [name, _, _, host, port]) if *name == service => Some(News::Switched(address(host, port)?)),
        ("+selected-slave", ["slave", _, host, port, "@", name, ..]) if *name == service => {
            Some(News::Selected(address(host, port)?))
        }
        (_, ["master", name, ..]) if *name == service => Some(match event {
            "+odown" | "+try-failover" => News::Announced,
            "-odown" | "+failover-end" => News::Over,
            event if event.starts_with("-failover-abort") => News::Abandoned,
            _ => return None,
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_of_this_service_are_understood_and_others_left_alone() {
        let at = |port| Address::new("10.0.0.2", port);
        let cases = [
            ("+switch-master", "main 10.0.0.1 6379 10.0.0.2 6380", Some(News::Switched(at(6380)))),
            ("+switch-master", "other 10.0.0.1 6379 10.0.0.2 6380", None),
            ("+switch-master", "main 10.0.0.1 6379 10.0.0.2 x", None),
            ("+selected-slave", "slave 10.0.0.2:1 10.0.0.2 1 @ main 10.0.0.1 6379", Some(News::Selected(at(1)))),
            ("+selected-slave", "slave 10.0.0.2:1 10.0.0.2 1 @ other 10.0.0.1 6379", None),
            ("+try-failover", "master main 10.0.0.1 6379", Some(News::Announced)),
            ("+odown", "master main 10.0.0.1 6379 #quorum 2/2", Some(News::Announced)),
            ("-odown", "master main 10.0.0.1 6379", Some(News::Over)),
            ("+failover-end", "master main 10.0.0.1 6379", Some(News::Over)),
            ("-failover-abort-no-good-slave", "master main 10.0.0.1 6379", Some(News::Abandoned)),
            ("+odown", "master other 10.0.0.1 6379 #quorum 2/2", None),
            ("+odown", "", None),
        ];
        for (event, text, wanted) in cases {
            assert_eq!(news(event, text, "main"), wanted, "{event} {text}");
        }
    }
}
