//! An instance: its connection, what it ended, and what it repeats when it meets another node. As the resolver does it.

use tokio::time::Instant;

use super::super::{Ending, Endings};
use super::{At, Mistake, World};
use crate::model::step;
use crate::store::{Act, Outcome, Write};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Link {
    Up {
        at: At,
    },
    /// Whether it is down because the master is elsewhere.
    Down {
        moved: bool,
    },
}

#[derive(Clone)]
pub(super) struct Instance {
    pub(super) link: Link,
    /// Of the latest connection.
    pub(super) generation: u64,
    /// When what had to be repeated on it was looked up.
    pub(super) from: Instant,
    pub(super) endings: Endings,
    pub(super) crashed: bool,
    work: Work,
}

/// What it repeats, and where.
#[derive(Clone)]
enum Work {
    Nothing,
    /// Before anyone is let onto this node.
    First(At, Repeating),
    /// What came late: so many times were looked for it.
    Late(u8, Option<Repeating>),
}

/// Log-outs on their way through two pipelines.
#[derive(Clone, Default)]
struct Repeating {
    destroy: Vec<Ending>,
    bury: Vec<Ending>,
}

pub(super) type Key = (Link, Vec<[bool; 3]>, [usize; 3], bool);

impl Instance {
    pub(super) fn connected() -> Self {
        let (from, endings) = (Instant::now(), Endings::default());
        Self { link: Link::Up { at: (0, 0) }, generation: 1, from, endings, crashed: false, work: Work::Nothing }
    }

    pub(super) fn key(&self) -> Key {
        let ending = |ending: &Ending| {
            [ending.at >= self.from, ending.generation < self.generation, ending.write.generation > 1]
        };
        let sizes = |repeating: &Repeating| (repeating.destroy.len(), repeating.bury.len());
        let work = match &self.work {
            Work::Nothing => [0; 3],
            Work::First((node, _), repeating) => [1 + node, sizes(repeating).0, sizes(repeating).1],
            Work::Late(round, repeating) => {
                let (destroy, bury) = repeating.as_ref().map_or((9, 9), sizes);
                [3 + usize::from(*round), destroy, bury]
            }
        };
        (self.link, self.endings.0.iter().map(ending).collect(), work, self.crashed)
    }

    pub(super) fn is_settled_on(&self, master: At) -> bool {
        self.link == Link::Up { at: master } && matches!(self.work, Work::Nothing)
    }

    /// The connection is gone.
    pub(super) fn lose(&mut self, moved: bool) {
        (self.link, self.work) = (Link::Down { moved }, Work::Nothing);
    }
}

impl World {
    /// All that an instance may do next.
    pub(super) fn step_instance(&self, at: usize, next: &mut Vec<(String, Self)>) {
        let instance = &self.instances[at];
        if instance.crashed {
            return;
        }
        let mut may = |name: &str, change: &dyn Fn(&mut Self)| {
            next.push(step(self, format_args!("instance {at} {name}"), change));
        };
        if self.crashes {
            may("crashes", &|world| (world.instances[at].crashed, world.crashes) = (true, false));
        }
        match (instance.link, &instance.work) {
            (Link::Up { at: there }, work) => {
                if there.0 != self.master {
                    may("hears where the master is", &|world| world.instances[at].lose(true));
                }
                if self.clone().reach(there).is_none() {
                    may("loses its connection", &|world| world.instances[at].lose(false));
                }
                if let Work::Late(..) = work {
                    may("repeats what came late", &|world| world.repeat_late(at, there));
                }
            }
            (Link::Down { .. }, Work::First(there, _)) => {
                let there = *there;
                may("repeats", &|world| world.repeat_first(at, there));
            }
            (Link::Down { moved }, _) => {
                // What is announced is followed; else an old master may be met once more.
                let is_there = |node: &usize| self.nodes[*node].answers() && (*node == self.master || !moved);
                for node in (0..2).filter(is_there) {
                    let there = (node, self.nodes[node].life);
                    may(&format!("connects to {node}"), &|world| world.connect(at, there));
                }
            }
        }
    }

    fn connect(&mut self, at: usize, there: At) {
        let (now, mistake) = (self.moment(), self.mistake);
        let instance = &mut self.instances[at];
        let recent = instance.endings.recent(now);
        let first = Repeating::of(if mistake == Some(Mistake::NotRepeated) { Vec::new() } else { recent });
        (instance.from, instance.work) = (now, Work::First(there, first));
        if mistake == Some(Mistake::Eager) {
            instance.publish(there);
        }
    }

    fn repeat_first(&mut self, at: usize, there: At) {
        let Work::First(_, mut repeating) = std::mem::replace(&mut self.instances[at].work, Work::Nothing) else {
            return;
        };
        if !self.repeat(there, &mut repeating) {
            return;
        }
        if repeating.is_over() {
            self.instances[at].publish(there);
        } else {
            self.instances[at].work = Work::First(there, repeating);
        }
    }

    fn repeat_late(&mut self, at: usize, there: At) {
        let (now, not_late) = (self.moment(), self.mistake == Some(Mistake::NotLate));
        let instance = &mut self.instances[at];
        let Work::Late(round, repeating) = std::mem::replace(&mut instance.work, Work::Nothing) else { return };
        let mut repeating = repeating.unwrap_or_else(|| {
            let late = instance.endings.late(instance.from, instance.generation, now);
            Repeating::of(if not_late { Vec::new() } else { late })
        });
        if !self.repeat(there, &mut repeating) {
            self.instances[at].lose(false);
        } else if !repeating.is_over() {
            self.instances[at].work = Work::Late(round, Some(repeating));
        } else if round == 0 {
            self.instances[at].work = Work::Late(1, None);
        }
    }

    /// One pipeline; false when the node does not take it.
    fn repeat(&mut self, there: At, repeating: &mut Repeating) -> bool {
        let any = self.mistake == Some(Mistake::AnyGeneration);
        let Some(node) = self.reach(there) else { return false };
        if repeating.destroy.is_empty() {
            for ending in std::mem::take(&mut repeating.bury) {
                node.carry_out(&Write { act: Act::Bury, ..ending.write });
            }
        }
        for ending in std::mem::take(&mut repeating.destroy) {
            let generation = if any { u32::MAX } else { ending.write.generation };
            let write = Write { act: Act::Destroy, generation, ..ending.write.clone() };
            if node.carry_out(&write) == Outcome::Gone {
                repeating.bury.push(ending);
            }
        }
        true
    }
}

impl Instance {
    fn publish(&mut self, at: At) {
        (self.link, self.generation) = (Link::Up { at }, self.generation + 1);
        self.work = Work::Late(0, None);
    }
}

impl Repeating {
    fn of(endings: Vec<Ending>) -> Self {
        let (destroy, bury) = endings.into_iter().partition(|ending| ending.write.act == Act::Destroy);
        Self { destroy, bury }
    }

    fn is_over(&self) -> bool {
        self.destroy.is_empty() && self.bury.is_empty()
    }
}
