//! What a cookie opens.

use std::sync::LazyLock;

use super::World;
use crate::id::{Handle, Id};
use crate::keys::Token;
use crate::session::standing::{Standing, stand};
use crate::store::Loaded;
use crate::store::rules::loaded;

/// The session of this number, under a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Cookie {
    pub(super) id: u8,
    pub(super) generation: u32,
}

fn id(number: u8) -> Id {
    Id::from_bytes([number; 16])
}

pub(super) fn handle(number: u8) -> Handle {
    static HANDLES: LazyLock<Vec<Handle>> = LazyLock::new(|| (0..=255).map(|number| id(number).handle()).collect());
    HANDLES[usize::from(number)]
}

impl World {
    pub(super) fn load(&self, id: u8) -> Loaded {
        loaded(self.live(id), self.now)
    }

    /// How a request with this cookie stands.
    pub(super) fn standing(&self, cookie: Option<Cookie>) -> Standing {
        let Some(cookie) = cookie else { return Standing::New { dead: None } };
        let (id, generation, issued) = (id(cookie.id), cookie.generation, self.now.as_token_secs());
        let token = Token { id, generation, issued, old_key: false };
        stand(&[token], vec![self.load(cookie.id)], self.now).expect("readable").standing
    }

    /// The user that a cookie is logged in as.
    pub(super) fn user_of(&self, cookie: Cookie) -> Option<String> {
        match self.standing(Some(cookie)) {
            Standing::Live(live) => live.record.user,
            _ => None,
        }
    }

    pub(super) fn generation(&self, id: u8) -> Option<u32> {
        match self.load(id) {
            Loaded::Found(record) => Some(record.generation),
            _ => None,
        }
    }

    /// The number in a session that is alive.
    pub(super) fn value(&self, id: u8) -> Option<i64> {
        match self.load(id) {
            Loaded::Found(record) => record.data.get("n").and_then(|text| text.parse().ok()),
            _ => None,
        }
    }
}
