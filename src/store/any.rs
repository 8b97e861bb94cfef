//! A store without its type, so that no handler names it. It does what the store does, and nothing else.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::{Budget, Card, Endings, Loaded, Outcome, Reason, Roster, Store, Timestamp, Write, roster};
use crate::error::Unavailable;
use crate::id::Handle;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// Any store, with its rosters.
pub(crate) trait AnyStore: Send + Sync {
    fn load<'a>(&'a self, handles: &'a [Handle], budget: &'a Budget) -> Boxed<'a, Vec<Loaded>>;
    fn apply<'a>(&'a self, write: &'a Write, budget: &'a Budget) -> Boxed<'a, Outcome>;
    fn save<'a>(&'a self, write: &'a Write, budget: &'a Budget) -> Boxed<'a, Outcome>;
    fn enrol<'a>(&'a self, name: roster::Name, act: &'a roster::Act, budget: &'a Budget) -> Boxed<'a, roster::Outcome>;
    fn announce<'a>(&'a self, handles: &'a [Handle], reason: Reason, budget: &'a Budget) -> Boxed<'a, ()>;
    fn endings(&self) -> Endings;
    fn post<'a>(&'a self, card: &'a Card, budget: &'a Budget) -> Boxed<'a, Option<Vec<Card>>>;
    fn now(&self) -> Timestamp;
    fn budget(&self) -> Duration;
}

impl<S: Store + Roster> AnyStore for S {
    fn load<'a>(&'a self, handles: &'a [Handle], budget: &'a Budget) -> Boxed<'a, Vec<Loaded>> {
        Box::pin(Store::load(self, handles, budget))
    }

    fn apply<'a>(&'a self, write: &'a Write, budget: &'a Budget) -> Boxed<'a, Outcome> {
        Box::pin(Store::apply(self, write, budget))
    }

    fn save<'a>(&'a self, write: &'a Write, budget: &'a Budget) -> Boxed<'a, Outcome> {
        Box::pin(Store::save(self, write, budget))
    }

    fn enrol<'a>(&'a self, name: roster::Name, act: &'a roster::Act, budget: &'a Budget) -> Boxed<'a, roster::Outcome> {
        Box::pin(Roster::enrol(self, name, act, budget))
    }

    fn announce<'a>(&'a self, handles: &'a [Handle], reason: Reason, budget: &'a Budget) -> Boxed<'a, ()> {
        Box::pin(Roster::announce(self, handles, reason, budget))
    }

    fn endings(&self) -> Endings {
        Roster::endings(self)
    }

    fn post<'a>(&'a self, card: &'a Card, budget: &'a Budget) -> Boxed<'a, Option<Vec<Card>>> {
        Box::pin(Store::post(self, card, budget))
    }

    fn now(&self) -> Timestamp {
        Store::now(self)
    }

    fn budget(&self) -> Duration {
        Store::budget(self)
    }
}

impl fmt::Debug for dyn AnyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}
