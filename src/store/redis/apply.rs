//! Carrying out writes.
//!
//! Each attempt bears the time after which it does nothing, and says since when the write may have been done already.

use std::borrow::Cow;
use std::pin::pin;
use std::time::Instant;

use super::attempts::{Attempt, Attempts, Failure};
use super::durability::{Settled, Weight};
use super::nodes::Target;
use super::script::{self, Delivery, Reply};
use super::{Shared, sound};
use crate::error::Unavailable;
use crate::store::retry::{self, Remedy};
use crate::store::{Act, Budget, Done, Outcome, Write};

impl Shared {
    pub(super) async fn apply(&self, write: &Write, weight: Weight, budget: &Budget) -> Result<Outcome, Unavailable> {
        let key = self.key(write.handle);
        let mut attempts = Attempts::begin(&self.nodes, Target::Key(&key), self.policy, budget);
        let mut first_sent: Option<Instant> = None;
        loop {
            let attempt = attempts.next().await?;
            // By the clock of the node that it is sent to.
            let (sent, clock) = (Instant::now(), &attempt.shard.clock);
            let not_after = clock.at(sent).plus(attempt.limit);
            let delivery = Delivery { not_after, first_sent: first_sent.map(|first| clock.before(first)) };
            let delivered = attempt.within(pin!(self.deliver(&attempt, &key, write, delivery))).await;
            match attempts.came_to(&attempt, delivered)? {
                Some(Delivered::InTime(outcome)) => {
                    if let Outcome::Done(done) = &outcome {
                        self.nodes.ended.note(&key, &to_repeat(write, done), attempt.live.generation());
                    }
                    let settling = self.settle_outcome(&attempt, &key, (weight, &outcome), attempts.deadline());
                    if settling.await? == Settled::Stands {
                        return Ok(outcome);
                    }
                    attempts.may_be_lost();
                    first_sent = first_sent.or(Some(sent));
                }
                // It did nothing, so it does not count as sent.
                Some(Delivered::Late) => {}
                None => first_sent = first_sent.or(Some(sent)),
            }
        }
    }

    /// What may be lost of an outcome is settled.
    async fn settle_outcome(
        &self,
        attempt: &Attempt,
        key: &str,
        (weight, outcome): (Weight, &Outcome),
        deadline: tokio::time::Instant,
    ) -> Result<Settled, Unavailable> {
        let may_be_lost = match outcome {
            Outcome::Done(_) | Outcome::Drifted(..) => true,
            // That others ended it may be lost as well.
            Outcome::Gone => self.durability.asks(weight).is_some(),
            _ => false,
        };
        if may_be_lost { self.settle(attempt, key, weight, deadline).await } else { Ok(Settled::Stands) }
    }

    /// Sends a write once; a second time, with the script itself, to a server that does not know it.
    async fn deliver(
        &self,
        attempt: &Attempt,
        key: &str,
        write: &Write,
        delivery: Delivery,
    ) -> Result<Delivered, Failure> {
        let script = self.scripts.of(&write.act);
        let send = async |known| attempt.call(script::command(script, known, key, write, delivery)).await;
        let reply = match send(true).await.and_then(sound) {
            Err(error) if retry::remedy(&error).0 == Remedy::LoadScript => sound(Box::pin(send(false)).await?)?,
            reply => reply?,
        };
        let (now, reply) = script::parse(&reply)?;
        attempt.shard.clock.compare(now);
        match reply {
            Reply::Decided(outcome) => Ok(Delivered::InTime(outcome)),
            Reply::Late => {
                attempt.shard.clock.anchor(now);
                Ok(Delivered::Late)
            }
            Reply::Undecided(unavailable) => Err(unavailable.into()),
        }
    }
}

/// What became of one delivery of a write.
enum Delivered {
    InTime(Outcome),
    /// It came after its time and did nothing.
    Late,
}

/// What is repeated of a write that was done. A session that others ended is destroyed under the generation that it had,
/// so that whoever logs in with it afterwards stays.
pub(super) fn to_repeat<'a>(write: &'a Write, done: &Done) -> Cow<'a, Write> {
    match write.act {
        Act::End { .. } => Cow::Owned(Write { act: Act::Destroy, generation: done.generation, ..write.clone() }),
        _ => Cow::Borrowed(write),
    }
}
