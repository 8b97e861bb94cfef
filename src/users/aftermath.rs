//! What follows an end, best effort: the roster hears of it, and all instances do.

use std::sync::Arc;

use crate::beside::beside;
use crate::event;
use crate::id::Handle;
use crate::store::roster::{Act, Listed, Name};
use crate::store::{AnyStore, Budget, Reason};

/// Removes members from a roster, beside.
pub(crate) async fn leave(store: Arc<dyn AnyStore>, name: Name, gone: Vec<Listed>) {
    beside(async move {
        if let Err(cause) = store.enrol(name, &Act::Leave(gone), &Budget::default()).await {
            event::roster_failed(&cause);
        }
    })
    .await;
}

/// Tells all instances, beside.
pub(crate) async fn announce(store: Arc<dyn AnyStore>, handles: Vec<Handle>, reason: Reason) {
    beside(async move {
        for some in handles.chunks(500) {
            if let Err(cause) = store.announce(some, reason, &Budget::default()).await {
                event::roster_failed(&cause);
            }
        }
    })
    .await;
}
