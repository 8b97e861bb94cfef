//! The end of a request: what is staged is applied, and what the response says about the cookie is decided.

use http::{HeaderValue, StatusCode};

use super::held::Held;
use super::standing::{Due, Standing};
use super::write::Along;
use super::{Session, Visit};
use crate::error::{Error, ErrorKind};
use crate::event;
use crate::id::Handle;
use crate::store::Loaded;

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
            let nothing = !held.is_log_out() && !held.is_changed() && !held.is_doubtful();
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
        let turn = visit.take_turn().await;
        visit.held(|held| held.begin_seal(failed));
        let finished = match turn {
            Ok(_) => visit.finish().await,
            // An operation of this request is under way that nobody carries on.
            Err(busy) if visit.held(|held| held.is_undecided()) => Err(busy),
            Err(_) => Ok(()),
        };
        visit.held(Held::sent);
        match finished {
            Ok(()) => visit.settled(None),
            Err(error) => {
                event::write_refused(self.id(), &error.to_string());
                visit.settled(Some(error.status()))
            }
        }
    }
}

impl Visit {
    async fn finish(&self) -> Result<(), Error> {
        let written = self.write_staged().await;
        match &written {
            Err(error) if error.kind() == ErrorKind::Ended => self.held(|held| held.due = None),
            // The store is away, or the time is over: only what this very request made is sent.
            Err(error) if error.kind() == ErrorKind::Unavailable => self.held(Held::drop_doubtful),
            _ => return self.prove().await.and(written),
        }
        written
    }

    async fn write_staged(&self) -> Result<(), Error> {
        self.destroy_staged().await?;
        if self.held(|held| held.is_changed()) {
            self.apply(Along::default()).await?.done()?;
        }
        Ok(())
    }

    /// The last look before the cookie is sent. Is it still the current one, where the handler took long or the cookie
    /// is only signed anew? Was a log-in faster, where a session was created in place of a dead cookie's?
    ///
    /// When the store cannot say, a new signature is left to another request. A cookie of a session that this request
    /// created, or raised, is sent: nothing else will bring it. But not in place of a dead one, where a log-in may be
    /// faster: then the answer is that the store is unavailable.
    async fn prove(&self) -> Result<(), Error> {
        let (Some(own), replaced) = self.held(|held| {
            let own = held.live().filter(|_| held.is_doubtful());
            (own.map(|live| (live.id.handle(), live.record.generation)), held.replaced.clone())
        }) else {
            return Ok(());
        };
        let handles: Vec<Handle> = [own.0].into_iter().chain(replaced.iter().map(|dead| dead.id.handle())).collect();
        let loaded = match self.layer().store.load(&handles, &self.budget).await {
            Ok(loaded) => loaded,
            Err(cause) => {
                self.held(Held::drop_doubtful);
                return if replaced.is_some() { Err(cause.into()) } else { Ok(()) };
            }
        };
        if !matches!(loaded.first(), Some(Loaded::Found(record)) if record.generation == own.1) {
            self.held(|held| held.due = None);
        }
        match (replaced, loaded.get(1)) {
            (Some(dead), Some(behind)) => self.yield_to_log_in(own, dead, behind).await,
            _ => Ok(()),
        }
    }

    fn settled(&self, refused: Option<StatusCode>) -> Settled {
        let attributes = &self.layer().attributes;
        let (removal, cookie, expire) = self.held(|held| {
            let cookie = held.due.and_then(|due| self.cookie(held.standing(), due));
            (held.removal, cookie, held.expire_variants)
        });
        let mut cookies = Vec::new();
        if let Some(all_ours) = self.others().filter(|_| expire) {
            cookies.extend(attributes.remove_others(&self.origin, all_ours));
        }
        match cookie {
            Some(cookie) => cookies.push(cookie),
            None if removal => cookies.extend(attributes.remove(&self.origin)),
            None => {}
        }
        if !cookies.is_empty() && attributes.domains.miss(self.origin.host.as_deref()) {
            event::host_not_covered(&self.layer().told, self.origin.host.as_deref());
        }
        Settled { refused, cookies }
    }

    fn cookie(&self, standing: &Standing, due: Due) -> Option<HeaderValue> {
        let Standing::Live(live) = standing else { return None };
        let (attributes, record) = (&self.layer().attributes, &live.record);
        let value = self.layer().keys.sign(&attributes.name, &live.id, record.generation, due.at.as_token_secs());
        let max_age = (attributes.persistent || record.life.own).then(|| record.life.max_age(due.at));
        attributes.set(value, max_age, &self.origin)
    }
}
