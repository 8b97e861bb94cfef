//! The roster that a sentence is about, and the acts on it.

use std::time::Duration;

use stickless::store::roster::{Act, Listed, Member, Name, Outcome};
use stickless::store::{Budget, Roster, Timestamp, WriteId};
use stickless::{Cap, Handle};

use crate::contract::subject::{HOUR, new_handle};

/// The roster of a user that nobody else has.
pub(super) struct Subject<'a, S> {
    store: &'a S,
    name: Name,
}

impl<'a, S: Roster> Subject<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        Self { store, name: Name::of_user(&new_handle().to_string()) }
    }

    pub(super) async fn act(&self, act: Act) -> Outcome {
        self.store.enrol(self.name, &act, &Budget::default()).await.expect("the store answers")
    }

    pub(super) async fn reserve(&self, handle: Handle, cap: Option<Cap>) -> Outcome {
        self.act(Act::Reserve { handle, cap, gone: Vec::new() }).await
    }

    pub(super) async fn reserved(&self, handle: Handle) -> Listed {
        match self.reserve(handle, None).await {
            Outcome::Reserved { serial, .. } => Listed { handle, serial },
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn confirm(&self, listed: Listed, cap: Option<Cap>) -> Outcome {
        let Listed { handle, serial } = listed;
        self.act(Act::Confirm { handle, serial, life: HOUR, cap, gone: Vec::new() }).await
    }

    /// A session that is in.
    pub(super) async fn logged_in(&self) -> Listed {
        let listed = self.reserved(new_handle()).await;
        assert_eq!(self.confirm(listed, None).await, Outcome::Confirmed);
        listed
    }

    pub(super) async fn members(&self) -> Vec<Member> {
        match self.act(Act::List).await {
            Outcome::Members { mut members, .. } => {
                members.sort_by_key(|member| member.place);
                members
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn member(&self, handle: Handle) -> Option<Member> {
        self.members().await.into_iter().find(|member| member.handle == handle)
    }

    pub(super) async fn everywhere(&self, keep: Option<Listed>) -> (u64, Vec<Member>) {
        match self.end_all(keep).await {
            Outcome::Members { epoch, members } => (epoch, members),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn end_all(&self, keep: Option<Listed>) -> Outcome {
        let id = WriteId::random().expect("random numbers");
        self.act(Act::Everywhere { keep: keep.map(|listed| (listed, HOUR)), id }).await
    }

    pub(super) async fn touch(&self, listed: Listed, life: Duration) -> Outcome {
        let Listed { handle, serial } = listed;
        self.act(Act::Touch { handle, serial, life }).await
    }
}

pub(super) fn handles(members: &[Member]) -> Vec<Handle> {
    members.iter().map(|member| member.handle).collect()
}

/// A tick is a time.
pub(super) fn at(serial: u64) -> Timestamp {
    Timestamp::from_millis(serial)
}
