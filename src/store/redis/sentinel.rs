//! The Sentinels: where the master is, and word of a switch before anyone has to ask.
//!
//! One connection to each Sentinel both listens and asks. All are asked at once and the newest configuration wins, so a
//! dead or a frozen one costs nothing. Further Sentinels are learned from those that answer.

#[cfg(test)]
mod model;
mod panel;
mod talk;

use std::collections::HashMap;
use std::error::Error as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, timeout_at};

use self::panel::{Panel, Verdict};
use super::connect::Door;
use super::url::Address;
use crate::error::{Unavailable, UnavailableKind};
use crate::event;

/// After a switch by hint the answers of Sentinels that lag behind are not acted on for this long.
const LAG: Duration = Duration::from_secs(10);
/// Questions closer together than this are one.
const TOGETHER: Duration = Duration::from_millis(20);

/// News of the master that did not have to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) address: Address,
    pub(super) kind: HintKind,
    pub(super) at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HintKind {
    /// This replica is about to be the master.
    Selected,
    /// This node is the master.
    Switched,
}

/// All Sentinels of a service. Dropping it ends the conversations.
pub(super) struct Sentinels {
    board: Arc<Board>,
    task: JoinHandle<()>,
}

/// What the conversations share.
struct Board {
    service: String,
    /// Whether news of a replica that was selected is wanted.
    early: bool,
    panel: Mutex<Panel>,
    /// Told when the panel has changed.
    changed: watch::Sender<()>,
    /// The number of the latest question, and when it was asked.
    question: watch::Sender<(u64, Instant)>,
    hints: watch::Sender<Option<Hint>>,
}

impl Sentinels {
    /// Must be called in a Tokio runtime.
    pub(super) fn start(door: Door, addresses: &[Address], service: String, early: bool) -> Self {
        let board = Arc::new(Board {
            service,
            early,
            panel: Mutex::new(Panel::new(addresses)),
            changed: watch::channel(()).0,
            question: watch::channel((1, Instant::now())).0,
            hints: watch::channel(None).0,
        });
        let task = tokio::spawn(keep(board.clone(), door));
        Self { board, task }
    }

    pub(super) fn hints(&self) -> watch::Receiver<Option<Hint>> {
        self.board.hints.subscribe()
    }

    /// Told when the Sentinels have said something.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.board.changed.subscribe()
    }

    /// Asks all where the master is, and takes the first answer that nothing speaks against.
    pub(super) async fn master(&self, limit: Duration) -> Result<Address, Unavailable> {
        let (board, deadline) = (&self.board, Instant::now() + limit);
        let mut changed = board.changed.subscribe();
        let question = board.ask();
        loop {
            changed.borrow_and_update();
            let over = Instant::now() >= deadline;
            {
                let panel = board.panel();
                if let Some(master) = panel.master(question, over) {
                    return Ok(master.clone());
                }
                if over || panel.all_asked(question) {
                    return Err(board.nobody_knows(&panel));
                }
            }
            // Late or not, the loop looks once more; the board outlives this.
            let _ = timeout_at(deadline, changed.changed()).await;
        }
    }

    /// Waits until the Sentinels confirm that this node is the master, and no failover is announced.
    pub(super) async fn confirm(&self, node: &Address, limit: Duration) -> Result<(), Unavailable> {
        let (board, deadline) = (&self.board, Instant::now() + limit);
        let mut changed = board.changed.subscribe();
        if board.panel().confirms(node, Instant::now()) == Verdict::Confirmed {
            return Ok(());
        }
        let mut question = board.ask();
        loop {
            changed.borrow_and_update();
            let now = Instant::now();
            let (verdict, all_asked) = {
                let panel = board.panel();
                (panel.confirms(node, now), panel.all_asked(question))
            };
            match verdict {
                Verdict::Confirmed => return Ok(()),
                _ if now >= deadline => return Err(UnavailableKind::Unconfirmed.into()),
                Verdict::Unknown if all_asked => return Err(UnavailableKind::Unconfirmed.into()),
                // The failover may be over with the next answers.
                Verdict::Doubtful if all_asked => question = board.ask(),
                _ => {}
            }
            let _ = timeout_at(deadline.min(now + TOGETHER), changed.changed()).await;
        }
    }

    /// Whether the master is another node, by what is known without asking. Not soon after a hint.
    pub(super) fn elsewhere(&self, node: &Address) -> bool {
        let now = Instant::now();
        if self.board.hints.borrow().as_ref().is_some_and(|hint| now.duration_since(hint.at) < LAG) {
            return false;
        }
        self.board.panel().newest(now).is_some_and(|master| master != node)
    }
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Board {
    fn panel(&self) -> MutexGuard<'_, Panel> {
        self.panel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the question to all, unless one was put just now; its number.
    fn ask(&self) -> u64 {
        let now = Instant::now();
        self.question.send_if_modified(|(number, at)| {
            let anew = now.duration_since(*at) >= TOGETHER;
            if anew {
                (*number, *at) = (*number + 1, now);
            }
            anew
        });
        self.question.borrow().0
    }

    fn nobody_knows(&self, panel: &Panel) -> Unavailable {
        let ((answer, all), service) = (panel.reachable(), &self.service);
        if answer > 0 {
            let cause = format!("{answer} of {all} Sentinels answer, and none knows a master of {service:?}");
            return Unavailable::new(UnavailableKind::Disconnected, cause);
        }
        let kind = panel.cause().map(Unavailable::kind).filter(|kind| kind.needs_a_person());
        let cause = format!("none of {all} Sentinels answers: {}", why(panel));
        Unavailable::new(kind.unwrap_or(UnavailableKind::Disconnected), cause)
    }

    /// A hint, unless it is no news.
    fn hint(&self, address: Address, kind: HintKind) {
        let hint = Hint { address, kind, at: Instant::now() };
        self.hints.send_if_modified(|last| {
            let known = last.as_ref().is_some_and(|last| {
                (&last.address, last.kind) == (&hint.address, hint.kind) && hint.at.duration_since(last.at) < LAG
            });
            if !known {
                *last = Some(hint);
            }
            !known
        });
    }

    /// A selected replica will not be the master after all.
    fn abandon(&self) {
        self.hints.send_if_modified(|last| last.take_if(|hint| hint.kind == HintKind::Selected).is_some());
    }
}

/// Talks to every Sentinel there is, and tells of those that are silent.
async fn keep(board: Arc<Board>, door: Door) {
    let mut talks = JoinSet::new();
    let mut running: HashMap<Address, AbortHandle> = HashMap::new();
    let mut changed = board.changed.subscribe();
    let mut told = None;
    loop {
        let wanted = board.panel().addresses();
        running.retain(|address, talk| {
            let stays = wanted.contains(address);
            if !stays {
                talk.abort();
            }
            stays
        });
        for address in wanted {
            let start = || talks.spawn(talk::talk(board.clone(), door.clone(), address.clone()));
            running.entry(address.clone()).or_insert_with(start);
        }
        while talks.try_join_next().is_some() {}
        tell(&board, &mut told);
        if changed.changed().await.is_err() {
            return;
        }
    }
}

/// One line when fewer or more Sentinels answer than before, once all were asked.
fn tell(board: &Board, told: &mut Option<(usize, usize)>) {
    let panel = board.panel();
    if !panel.all_asked(1) {
        return;
    }
    let now = panel.reachable();
    // At the start silence says that all is well.
    let before = told.replace(now).unwrap_or((now.1, now.1));
    if now.0 != before.0 && (now.0 < now.1 || before.0 < before.1) {
        event::sentinels(now.0, now.1, &why(&panel));
    }
}

/// Why a Sentinel could not be asked.
fn why(panel: &Panel) -> String {
    let cause = panel.cause();
    cause.map(|cause| cause.source().map_or(cause.to_string(), ToString::to_string)).unwrap_or_default()
}
