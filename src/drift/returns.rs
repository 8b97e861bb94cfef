//! Counting what is not worth a write.

use std::sync::{Mutex, PoisonError};

use crate::id::Handle;

/// How often sessions came back to something known since that was last noted: of the latest 64 at most.
#[derive(Debug, Default)]
pub(super) struct Returns(Mutex<Vec<(Handle, u32)>>);

impl Returns {
    const MOST: usize = 64;

    pub(super) fn count(&self, session: Handle) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == session) {
            *count = count.saturating_add(1);
            return;
        }
        if counts.len() == Self::MOST {
            counts.remove(0);
        }
        counts.push((session, 1));
    }

    pub(super) fn take(&self, session: Handle) -> u32 {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = counts.iter().position(|(known, _)| *known == session);
        at.map_or(0, |at| counts.remove(at).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_are_counted_for_a_bounded_number_of_sessions() {
        let returns = Returns::default();
        let handle = |number: u8| crate::id::Id::from_bytes([number; 16]).handle();
        for number in 0..200 {
            returns.count(handle(number));
            returns.count(handle(number));
        }
        assert_eq!([0, 135, 136, 199].map(|number| returns.take(handle(number))), [0, 0, 2, 2]);
        assert_eq!(returns.take(handle(199)), 0);
    }
}
