//! What reading a session asks for beside the handler: its life slides, its roster learns that it is in use, and what it
//! is seen with is noted.
//!
//! All of it is best effort. The roster comes first, so that a member's deadline is never earlier than its record's.

use std::sync::Arc;
use std::time::Duration;

use super::Visit;
use super::standing::Standing;
use crate::clock::Timestamp;
use crate::event;
use crate::id::{Handle, WriteId};
use crate::layer::Shared;
use crate::store::roster::{self, Listed, Membership, Name};
use crate::store::{Act, AnyStore, Budget, Note, Outcome, Write};
use crate::users::allowance::Allowance;
use crate::users::sessions::Sessions;

/// What is due.
pub(super) struct Upkeep {
    handle: Handle,
    generation: u32,
    user: Option<String>,
    /// What the user's roster is told.
    touch: Option<roster::Act>,
    slide: Option<Slide>,
    /// Its place in the roster, when that is to be noted.
    place: Option<Membership>,
}

/// Its life is short enough, its generation is behind, or it is seen with something else than before.
struct Slide {
    within: Duration,
    seen: Option<Note>,
}

impl Upkeep {
    /// Of a session that was read now; `behind` when its generation is lower than its cookie's.
    pub(super) fn of(visit: &Visit, standing: &Standing, behind: bool, now: Timestamp) -> Option<Self> {
        let Standing::Live(live) = standing else { return None };
        let (layer, record, handle) = (visit.layer(), &live.record, live.id.handle());
        let due = layer.lifetime.due(record, now);
        let times = (layer.lifetime.interval(&record.life), now);
        let seen = layer.drift.compare(handle, &record.seen, visit.client(), times);
        let within = due.or((behind || seen.is_some()).then_some(Duration::ZERO));
        let slide = within.map(|within| Slide { within, seen });
        // It began on an instance of a version without rosters.
        let unlisted = record.user.is_some() && record.membership.is_none();
        let unproved = record.membership.is_some_and(|membership| membership.unproved);
        let place = (unlisted || unproved).then_some(Membership { serial: record.serial(), unproved: false });
        let touched = unlisted || (due.is_some() && record.user.is_some());
        if slide.is_none() && place.is_none() && !touched {
            return None;
        }
        let left = if due.is_some() { record.life.span(now) } else { record.expires_in };
        let touch = touched.then(|| roster::Act::Touch { handle, serial: record.serial(), life: left });
        Some(Self { handle, generation: record.generation, user: record.user.clone(), touch, slide, place })
    }

    /// Does it, each step whether or not the store answered the one before.
    pub(super) async fn carry_out(self, layer: &Shared) {
        if let (Some(user), Some(touch)) = (&self.user, &self.touch) {
            match layer.store.enrol(Name::of_user(user), touch, &Budget::default()).await {
                Ok(roster::Outcome::Outdated { epoch }) => return self.end(&layer.store, user, epoch).await,
                Ok(_) => {}
                Err(cause) => event::roster_failed(&cause),
            }
        }
        if let Some(Slide { within, seen }) = &self.slide {
            let outcome = self.write(&layer.store, Act::Slide { within: *within, seen: seen.clone() }).await;
            match (outcome, seen) {
                (Some(Outcome::Drifted(_, drifted)), Some(note)) => {
                    layer.drift.tell(self.handle, self.user.as_deref(), &note.sighting, drifted);
                }
                (Some(Outcome::Gone), _) => return self.leave(&layer.store).await,
                _ => {}
            }
        }
        if let Some(membership) = self.place {
            self.write(&layer.store, Act::Place(membership)).await;
        }
    }

    /// All its user's sessions were ended, and this one was not listed.
    async fn end(&self, store: &Arc<dyn AnyStore>, user: &str, epoch: u64) {
        let sessions = Sessions::of(store, user, Allowance::after(Duration::ZERO));
        if let Err(cause) = sessions.end_outdated(self.handle, epoch).await {
            event::slide_failed(self.handle, &cause);
        }
    }

    /// It ended meanwhile, perhaps before the roster heard that it is in use.
    async fn leave(&self, store: &Arc<dyn AnyStore>) {
        let (Some(user), Some(_)) = (&self.user, &self.touch) else { return };
        let gone = vec![Listed { handle: self.handle, serial: u64::MAX }];
        if let Err(cause) = store.enrol(Name::of_user(user), &roster::Act::Leave(gone), &Budget::default()).await {
            event::roster_failed(&cause);
        }
    }

    async fn write(&self, store: &Arc<dyn AnyStore>, act: Act) -> Option<Outcome> {
        // A slide does no harm twice; anything else must be recognised.
        let id = match &act {
            Act::Slide { seen: None, .. } => WriteId::default(),
            _ => WriteId::random().ok()?,
        };
        let write = Write { handle: self.handle, generation: self.generation, id, act };
        let outcome = store.apply(&write, &Budget::default()).await;
        outcome.inspect_err(|cause| event::slide_failed(self.handle, cause)).ok()
    }
}
