//! What the instances posted: a hash of one field for each, with when it was posted.

use std::pin::pin;

use redis::Value;

use super::attempts::{Attempts, Failure};
use super::nodes::Target;
use super::whole::elements;
use super::{Shared, sound};
use crate::clock::{Timestamp, millis};
use crate::error::{Unavailable, UnavailableKind};
use crate::store::{Budget, CARD_LIFE, Card};

impl Shared {
    /// Posts a card and reads all that are alive. Those of instances that ended are cleared away.
    pub(super) async fn post(&self, card: &Card, budget: &Budget) -> Result<Vec<Card>, Unavailable> {
        let key = format!("{}fleet", self.prefix);
        let mut attempts = Attempts::begin(&self.nodes, Target::Key(&key), self.policy, budget);
        loop {
            let attempt = attempts.next().await?;
            let now = attempt.shard.clock.now();
            let value = format!("{} {}", now.as_millis(), serde_json::to_string(&card.settings).unwrap_or_default());
            let (mut put, mut live, mut all) = (redis::cmd("HSET"), redis::cmd("PEXPIRE"), redis::cmd("HGETALL"));
            put.arg(&key).arg(&card.instance).arg(value);
            live.arg(&key).arg(millis(CARD_LIFE));
            all.arg(&key);
            let commands = vec![put, live, all];
            let exchange = async {
                let mut replies = attempt.call_all(commands).await?.into_iter();
                let mut next = || sound(replies.next().unwrap_or(Value::Nil));
                next()?;
                next()?;
                let fields = cards(&next()?).ok_or(UnavailableKind::Corrupt)?;
                let (alive, dead): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(_, value)| is_alive(value, now));
                if !dead.is_empty() {
                    let mut clear = redis::cmd("HDEL");
                    clear.arg(&key).arg(dead.into_iter().map(|(name, _)| name).collect::<Vec<_>>());
                    attempt.call(clear).await?;
                }
                Ok::<_, Failure>(alive)
            };
            let exchange = attempt.within(pin!(exchange)).await;
            if let Some(alive) = attempts.came_to(&attempt, exchange)? {
                return Ok(alive.iter().filter_map(|(name, value)| read(name, value)).collect());
            }
        }
    }
}

/// All that were posted, under their names.
fn cards(hash: &Value) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let elements = elements(hash)?;
    let (cards, []) = elements.as_chunks() else { return None };
    Some(cards.iter().map(|[name, value]| (name.to_vec(), value.to_vec())).collect())
}

/// When a card was posted, and its settings.
fn parts(value: &[u8]) -> Option<(Timestamp, &str)> {
    let (at, settings) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    Some((Timestamp::from_millis(at.parse().ok()?), settings))
}

/// What cannot be read is a later version's, or nobody's: the key's own life ends it.
fn is_alive(value: &[u8], now: Timestamp) -> bool {
    parts(value).is_none_or(|(at, _)| now.since(at) < CARD_LIFE)
}

fn read(name: &[u8], value: &[u8]) -> Option<Card> {
    let (_, settings) = parts(value)?;
    Some(Card { instance: String::from_utf8_lossy(name).into_owned(), settings: serde_json::from_str(settings).ok()? })
}
