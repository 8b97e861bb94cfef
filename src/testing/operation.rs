//! What a store was asked, a word for each kind of call.

use crate::store::{Act, Intent, roster};

/// What a store was asked.
///
/// ```
/// use stickless::testing::{Operation, TestStore};
///
/// // A page that must not read the session.
/// let store = TestStore::new();
/// assert!(!store.operations().contains(&Operation::Load));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// To read records, in one round trip.
    Load,
    /// To make a record.
    Create,
    /// To change one.
    Apply,
    /// To change one and bind it to a user.
    LogIn,
    /// To change one and raise its generation.
    Rotate,
    /// To extend a life, or to note what a session is seen with.
    Slide,
    /// To end a record.
    Destroy,
    /// To end a record on behalf of its user.
    End,
    /// To note a session's place in its user's roster.
    Place,
    /// To leave a tombstone.
    Bury,
    /// A user's roster: for a place.
    Reserve,
    /// … to take the reserved place.
    Confirm,
    /// … to give it back.
    Withdraw,
    /// … to note that a session is in use.
    Touch,
    /// … to remove sessions.
    Leave,
    /// … to begin anew.
    Everywhere,
    /// … to list all.
    List,
}

impl Operation {
    /// In lower case, as in `log-in`.
    ///
    /// ```
    /// assert_eq!(stickless::testing::Operation::Load.as_str(), "load");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Create => "create",
            Self::Apply => "apply",
            Self::LogIn => "log-in",
            Self::Rotate => "rotate",
            Self::Slide => "slide",
            Self::Destroy => "destroy",
            Self::End => "end",
            Self::Place => "place",
            Self::Bury => "bury",
            Self::Reserve => "reserve",
            Self::Confirm => "confirm",
            Self::Withdraw => "withdraw",
            Self::Touch => "touch",
            Self::Leave => "leave",
            Self::Everywhere => "everywhere",
            Self::List => "list",
        }
    }

    pub(super) fn of(act: &Act) -> Self {
        match act {
            Act::Create(_) => Self::Create,
            Act::Slide { .. } => Self::Slide,
            Act::Destroy => Self::Destroy,
            Act::End { .. } => Self::End,
            Act::Place(_) => Self::Place,
            Act::Bury => Self::Bury,
            Act::Apply(apply) => match &apply.intent {
                Intent::LogIn { .. } => Self::LogIn,
                Intent::Rotate => Self::Rotate,
                Intent::Keep => Self::Apply,
            },
        }
    }

    pub(super) fn on_roster(act: &roster::Act) -> Self {
        match act {
            roster::Act::Reserve { .. } => Self::Reserve,
            roster::Act::Confirm { .. } => Self::Confirm,
            roster::Act::Withdraw(_) => Self::Withdraw,
            roster::Act::Touch { .. } => Self::Touch,
            roster::Act::Leave(_) => Self::Leave,
            roster::Act::Everywhere { .. } => Self::Everywhere,
            roster::Act::List => Self::List,
        }
    }
}
