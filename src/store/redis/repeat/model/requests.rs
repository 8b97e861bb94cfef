//! A log-out or a log-in on its way through an instance's connection, as the store's `apply` takes it.

use super::super::super::apply::to_repeat;
use super::instances::{Instance, Link};
use super::{At, HOUR, Mistake, Role, USER, World, handle};
use crate::id::WriteId;
use crate::model::step;
use crate::record::Limits;
use crate::store::{Act, Apply, Delta, Done, Intent, Outcome, Reason, Write};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// Of the session, by itself.
    LogOut,
    /// Of the session, by another device.
    End,
    /// With the cookie from before.
    LogIn,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    /// The node has answered, on this connection.
    Acknowledged {
        at: At,
        generation: u64,
        done: Done,
    },
    Noted {
        at: At,
    },
    /// So has the instance, after so many switches.
    Answered {
        at: At,
        switches: usize,
    },
    /// There was nothing to be done.
    Refused,
}

#[derive(Clone)]
pub(super) struct Request {
    id: u8,
    pub(super) at: usize,
    pub(super) what: What,
    pub(super) state: State,
}

pub(super) type Key = (What, u8, At, usize, u32);

impl Request {
    pub(super) fn new(id: u8, at: usize, what: What) -> Self {
        Self { id, at, what, state: State::Ready }
    }

    pub(super) fn key(&self, instance: &Instance) -> Key {
        let (state, at, more, generation) = match self.state {
            State::Ready => (0, (0, 0), 0, 0),
            State::Acknowledged { at, generation, done } => {
                (1, at, usize::from(generation < instance.generation), done.generation)
            }
            State::Noted { at } => (2, at, 0, 0),
            State::Answered { at, switches } => (3, at, switches, 0),
            State::Refused => (4, (0, 0), 0, 0),
        };
        (self.what, state, at, more, generation)
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Answered { .. } | State::Refused)
    }

    fn write(&self) -> Write {
        let (user, membership) = (USER.to_owned(), None);
        let (generation, act) = match self.what {
            What::LogOut => (1, Act::Destroy),
            What::End => (0, Act::End { user, before: None, reason: Reason::Ended }),
            What::LogIn => {
                let intent = Intent::LogIn { user, idle: HOUR, absolute: None, reissue: true, membership };
                let (delta, limits) = (Delta::default(), Limits::default());
                (1, Act::Apply(Apply { delta, add: None, expect: None, intent, limits }))
            }
        };
        Write { handle: handle(), generation, id: WriteId::numbered(self.id), act }
    }
}

impl World {
    /// All that a request may do next.
    pub(super) fn step_request(&self, at: usize, next: &mut Vec<(String, Self)>) {
        let request = &self.requests[at];
        if self.instances[request.at].crashed {
            return;
        }
        let mut may = |name: &str, change: &dyn Fn(&mut Self)| {
            next.push(step(self, format_args!("{:?} at instance {} {name}", request.what, request.at), change));
        };
        match request.state {
            State::Ready => {
                let Link::Up { at: there } = self.instances[request.at].link else { return };
                may("is sent", &|world| world.send(at, there));
                if self.losses && self.clone().reach(there).is_some() {
                    may("is done, and its reply is lost", &|world| {
                        let write = world.requests[at].write();
                        world.reach(there).map(|node| node.carry_out(&write));
                        world.losses = false;
                    });
                }
            }
            State::Acknowledged { at: there, generation, done } => {
                may("is noted", &|world| world.note(at, there, generation, done));
            }
            State::Noted { at: there } => may("is answered", &|world| world.answer(at, there)),
            State::Answered { .. } | State::Refused => {}
        }
    }

    fn send(&mut self, request: usize, at: At) {
        let write = self.requests[request].write();
        let instance = self.requests[request].at;
        let generation = self.instances[instance].generation;
        let Some(outcome) = self.reach(at).map(|node| node.carry_out(&write)) else {
            // A replica says that it is none.
            let says = self.nodes[at.0].life == at.1 && self.nodes[at.0].role == Role::Replica;
            return self.instances[instance].lose(says);
        };
        self.requests[request].state = match outcome {
            Outcome::Done(done) => State::Acknowledged { at, generation, done },
            _ => State::Refused,
        };
    }

    fn note(&mut self, request: usize, at: At, generation: u64, done: Done) {
        let (now, write) = (self.moment(), self.requests[request].write());
        let instance = &mut self.instances[self.requests[request].at];
        instance.endings.note("", &to_repeat(&write, &done), generation, now);
        self.requests[request].state = State::Noted { at };
    }

    fn answer(&mut self, request: usize, at: At) {
        let has_left = match self.instances[self.requests[request].at].link {
            Link::Up { at: now } => self.is_another(now, at),
            Link::Down { moved } => moved,
        };
        let believed = !has_left || self.mistake == Some(Mistake::NotLeft);
        let switches = self.switches;
        self.requests[request].state = if believed { State::Answered { at, switches } } else { State::Ready };
    }
}
