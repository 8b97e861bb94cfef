//! The end of a request: what is staged is applied, and what the response says about the cookie is decided.

use std::time::Duration;

use http::{HeaderValue, StatusCode};

use super::held::Held;
use super::standing::{Due, Standing, Why};
use super::write::Along;
use super::{Session, Visit};
use crate::error::{Error, ErrorKind};
use crate::event;
use crate::store::Loaded;

/// A cookie is sent on the strength of a store's answer that is younger than this. An older one may have been
/// overtaken, and would put an old cookie in place of a newer one.
const PROOF: Duration = Duration::from_secs(1);

/// What the response becomes.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// In place of the handler's response: its staged data could not be applied.
    pub(crate) refused: Option<StatusCode>,
    pub(crate) cookies: Vec<HeaderValue>,
}

impl Session {
    /// Settles a request that needs nothing from the store; none when it does.
    pub(crate) fn settle_at_once(&self, failed: bool) -> Option<Settled> {
        let visit = &*self.0;
        let _turn = visit.turn.try_acquire().ok()?;
        let settled = visit.held(|held| {
            held.begin_seal(failed);
            let nothing = !held.is_log_out() && !held.is_changed() && !held.due.is_some_and(needs_proof);
            if nothing {
                held.sent();
            }
            nothing
        });
        settled.then(|| visit.settled(None))
    }

    /// Applies what is staged and decides the cookie.
    pub(crate) async fn settle(&self, failed: bool) -> Settled {
        let visit = &*self.0;
        let _turn = visit.take_turn().await;
        visit.held(|held| held.begin_seal(failed));
        let finished = visit.finish().await;
        visit.held(Held::sent);
        match finished {
            Ok(()) => visit.settled(None),
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                visit.settled(Some(StatusCode::SERVICE_UNAVAILABLE))
            }
            Err(error) => {
                event::write_refused(self.id(), &error.to_string());
                Settled { refused: Some(StatusCode::CONFLICT), cookies: Vec::new() }
            }
        }
    }
}

impl Visit {
    async fn finish(&self) -> Result<(), Error> {
        self.destroy_staged().await?;
        if self.held(|held| held.is_changed()) {
            self.apply(Along::default()).await?.done()?;
        }
        if self.held(|held| held.due.is_some_and(needs_proof)) {
            self.prove().await;
        }
        Ok(())
    }

    /// The handler took long since the cookie became due: is it still the current one? When the store cannot say, it
    /// is sent: this request created the session or raised its generation, and nothing else will bring the cookie.
    async fn prove(&self) {
        let Some((handle, generation)) =
            self.held(|held| held.live().map(|live| (live.id.handle(), live.record.generation)))
        else {
            return;
        };
        let Ok(loaded) = self.layer().store.load(&[handle], &self.budget).await else { return };
        let current = matches!(loaded.first(), Some(Loaded::Found(record)) if record.generation == generation);
        if !current {
            self.held(|held| held.due = None);
        }
    }

    fn settled(&self, refused: Option<StatusCode>) -> Settled {
        let attributes = &self.layer().attributes;
        let (removal, cookie, expire) = self.held(|held| {
            let fresh = held.due.filter(|due| due.why == Why::Changed || (refused.is_none() && !is_old(*due)));
            (held.removal, fresh.and_then(|due| self.cookie(held.standing(), due)), held.expire_variants)
        });
        let mut cookies = Vec::new();
        if expire && self.has_duplicates() {
            cookies.extend(attributes.remove_variants(self.https));
        }
        match cookie {
            Some(cookie) => cookies.push(cookie),
            None if removal => cookies.extend(attributes.remove(self.https)),
            None => {}
        }
        Settled { refused, cookies }
    }

    fn cookie(&self, standing: &Standing, due: Due) -> Option<HeaderValue> {
        let Standing::Live(live) = standing else { return None };
        let (attributes, record) = (&self.layer().attributes, &live.record);
        let value = self.layer().keys.sign(&attributes.name, &live.id, record.generation, due.at.as_token_secs());
        let max_age = (attributes.persistent || record.life.own).then(|| record.life.max_age(due.at));
        attributes.set(value, max_age, self.https)
    }
}

fn is_old(due: Due) -> bool {
    due.proof.elapsed() > PROOF
}

/// A new signature can wait for another request; a new session or generation cannot.
fn needs_proof(due: Due) -> bool {
    due.why == Why::Changed && is_old(due)
}
