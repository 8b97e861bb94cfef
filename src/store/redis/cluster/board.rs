//! What is known of a Cluster, and the questions to its nodes.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::super::url::Address;
use super::council::{Chart, Council, Verdict};
use super::slot::slot;
use crate::error::{Unavailable, UnavailableKind};

/// Questions that wait for an answer and are closer together than this are one.
pub(super) const TOGETHER: Duration = Duration::from_millis(20);
/// Nodes without slots that calls were sent to; more are forgotten.
const NAMED_MOST: usize = 16;

/// Shared by the task that asks and by those who want to know.
#[derive(Debug)]
pub(in super::super) struct Board {
    council: Mutex<Council>,
    named: Mutex<BTreeSet<Address>>,
    /// Told when a node has said something, or a question is answered.
    changed: watch::Sender<()>,
    /// The number of the latest question, and when it was put.
    question: watch::Sender<(u64, Instant)>,
    /// The latest question that all who were asked have answered, as far as they do.
    answered: Mutex<(u64, Unavailable)>,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            council: Mutex::default(),
            named: Mutex::default(),
            changed: watch::channel(()).0,
            question: watch::channel((1, Instant::now())).0,
            answered: Mutex::new((0, UnavailableKind::Disconnected.into())),
        }
    }

    pub(super) fn council(&self) -> MutexGuard<'_, Council> {
        self.council.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those without slots that calls were sent to. Who has some by this chart is forgotten: it may lose them again.
    pub(super) fn named(&self, chart: &Chart) -> BTreeSet<Address> {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        for master in chart.masters.iter().filter(|master| master.slots > 0) {
            named.remove(&master.address);
        }
        named.clone()
    }

    /// A call was sent to this node, which may have no slots yet.
    pub(super) fn name(&self, node: &Address) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.len() >= NAMED_MOST {
            named.clear();
        }
        named.insert(node.clone());
    }

    pub(super) fn questions(&self) -> watch::Receiver<(u64, Instant)> {
        self.question.subscribe()
    }

    /// Wants the nodes to be asked, unless they are about to be; the question's number.
    pub(in super::super) fn ask(&self) -> u64 {
        let (now, answered) = (Instant::now(), self.answered().0);
        self.question.send_if_modified(|(number, at)| {
            let anew = answered >= *number || now.duration_since(*at) >= TOGETHER;
            if anew {
                (*number, *at) = (*number + 1, now);
            }
            anew
        });
        self.question.borrow().0
    }

    /// A question is answered; or not, because nobody answered.
    pub(super) fn answer(&self, question: u64, nobody: Option<Unavailable>) {
        {
            let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
            let cause = nobody.unwrap_or_else(|| answered.1.clone());
            *answered = (question, cause);
        }
        self.changed.send_replace(());
    }

    /// The latest question that was answered, and why the last one was not.
    pub(super) fn answered(&self) -> (u64, Unavailable) {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the nodes, and waits for what they say.
    pub(super) async fn refresh(&self, deadline: Instant) {
        let mut changed = self.changed.subscribe();
        let question = self.ask();
        while self.answered().0 < question {
            if !matches!(timeout_at(deadline, changed.changed()).await, Ok(Ok(()))) {
                return;
            }
        }
    }

    /// Waits until the masters confirm that this node has the slots of these keys.
    pub(in super::super) async fn confirm(
        &self,
        node: &Address,
        keys: &[String],
        limit: Duration,
    ) -> Result<(), Unavailable> {
        let deadline = Instant::now() + limit;
        let mut changed = self.changed.subscribe();
        let verdict = || {
            let (council, now) = (self.council(), Instant::now());
            let verdicts = keys.iter().map(|key| council.confirms(slot(key), node, now));
            // The worst of them.
            verdicts.max_by_key(|verdict| *verdict as u8).unwrap_or(Verdict::Confirmed)
        };
        if verdict() == Verdict::Confirmed {
            return Ok(());
        }
        let mut question = self.ask();
        loop {
            changed.borrow_and_update();
            if verdict() == Verdict::Confirmed {
                return Ok(());
            }
            let now = Instant::now();
            if now >= deadline {
                return Err(UnavailableKind::Unconfirmed.into());
            }
            if self.answered().0 >= question {
                // Whatever changes may be over with the next answers.
                question = self.ask();
            }
            let _ = timeout_at(deadline.min(now + TOGETHER), changed.changed()).await;
        }
    }

    /// Whether this node has the slot of a key, as far as is known.
    pub(in super::super) fn has(&self, node: &Address, key: &str) -> bool {
        self.council().chart().owner(slot(key)).is_some_and(|owner| owner.address == *node)
    }
}
