//! Whether a Cluster as a whole can be reached, and a node for what is not about a key.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::select_all;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Table;
use crate::error::{Unavailable, UnavailableKind};
use crate::store::redis::link::{Live, State};

/// Publishes a node that is connected, for as long as most of the masters are: with less, the Cluster itself is down,
/// or we are cut off from it. A shard that is away concerns its own users alone.
pub(super) async fn tell(mut table: watch::Receiver<Arc<Table>>, stands: watch::Sender<State>) {
    loop {
        let mut states: Vec<watch::Receiver<State>> =
            table.borrow_and_update().serving().map(|place| place.shard.link.state()).collect();
        loop {
            let now = standing(&mut states, &stands.borrow());
            stands.send_if_modified(|before| {
                let other = !is_same(before, &now);
                if other {
                    *before = now;
                }
                other
            });
            if states.is_empty() {
                break;
            }
            let (ended, index) = tokio::select! {
                changed = table.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                (changed, index) = any(&mut states) => (changed.is_err(), index),
            };
            if ended {
                states.swap_remove(index);
            }
        }
        if states.is_empty() && table.changed().await.is_err() {
            return;
        }
    }
}

async fn any(states: &mut [watch::Receiver<State>]) -> (Result<(), watch::error::RecvError>, usize) {
    let waiting = states.iter_mut().map(|state| Box::pin(state.changed()) as Pin<Box<dyn Future<Output = _> + Send>>);
    let (changed, index, _) = select_all(waiting).await;
    (changed, index)
}

fn standing(states: &mut [watch::Receiver<State>], before: &State) -> State {
    let (mut up, mut cause): (Vec<Arc<Live>>, Option<Unavailable>) = (Vec::new(), None);
    let count = states.len();
    for state in states {
        match &*state.borrow_and_update() {
            State::Up(live) => up.push(live.clone()),
            State::Down { cause: why, .. } => cause = Some(why.clone()),
        }
    }
    if up.len() * 2 > count {
        let stays = |live: &&Arc<Live>| matches!(before, State::Up(before) if before.generation() == live.generation());
        let live = up.iter().find(stays).unwrap_or(&up[0]);
        return State::Up(live.clone());
    }
    let since = match before {
        State::Down { since, .. } => *since,
        State::Up(_) => Instant::now(),
    };
    State::Down { since, cause: cause.unwrap_or_else(|| UnavailableKind::Disconnected.into()) }
}

fn is_same(one: &State, other: &State) -> bool {
    match (one, other) {
        (State::Up(one), State::Up(other)) => one.generation() == other.generation(),
        (State::Down { cause: one, .. }, State::Down { cause: other, .. }) => one == other,
        _ => false,
    }
}
