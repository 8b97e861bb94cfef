//! Every order of the steps of requests that come with the same cookie to several instances: log-ins, a write, a log-out,
//! with crashes, answers that never arrive, and store calls whose reply is lost. On the rules that the memory store runs, the
//! steps by which a log-in comes into its roster, and the decision of how a request stands.
//!
//! An answer is on its way when the last thing that it depends on was decided, and answers do not overtake each other: what
//! the network does to two of them is another matter.

mod browser;
mod instance;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use self::browser::Cookie;
use self::instance::{Request, What};
use crate::clock::Timestamp;
use crate::id::WriteId;
use crate::model::{self, finds, holds, must, step};
use crate::store::roster::Cap;
use crate::store::roster::rules::Kept as Roster;
use crate::store::rules::{Kept, carry_out};
use crate::store::{Act, Create, Outcome, Sighting, Write};

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const USER: &str = "ann";

/// What is left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mistake {
    /// Who creates a session in a dead cookie's place does not look whether a log-in was faster.
    NoLookBehind,
    /// A log-in that starts anew leaves nothing at the cookie that it replaces.
    NoBury,
    /// A repeated write is taken for another one.
    NotRecognised,
    /// What was loaded before a log-in is applied after it.
    AnyGeneration,
}

#[derive(Clone)]
struct World {
    cap: Option<Cap>,
    now: Timestamp,
    roster: Roster,
    records: BTreeMap<u8, Kept>,
    /// The browser's cookie.
    jar: Option<Cookie>,
    /// It was told that its user is logged in, and not since that they are out.
    logged_in: bool,
    /// Sessions that were logged out.
    ended: BTreeSet<u8>,
    requests: Vec<Request>,
    /// What was loaded before a log-in was applied after it.
    mixed: bool,
    /// So many instances may still crash, answers be lost, and store calls lose their reply.
    crashes: u8,
    lost_answers: u8,
    lost_replies: u8,
    mistake: Option<Mistake>,
}

impl World {
    /// A browser whose visitor is not logged in, or whose session is gone; the requests are on their way.
    fn new(cap: Option<Cap>, is_there: bool, requests: &[What]) -> Self {
        let mut world = Self {
            cap,
            now: NOW,
            roster: Roster::default(),
            records: BTreeMap::new(),
            jar: Some(Cookie { id: 0, generation: 1 }),
            logged_in: false,
            ended: BTreeSet::new(),
            requests: (1..).zip(requests).map(|(number, what)| Request::new(number, *what)).collect(),
            mixed: false,
            crashes: 0,
            lost_answers: 0,
            lost_replies: 0,
            mistake: None,
        };
        if is_there {
            world.apply(0, 1, WriteId::numbered(255), create(None, None));
        }
        // They all set out with the same cookie.
        let jar = world.jar;
        world.requests.iter_mut().for_each(|request| request.set_out(jar));
        world
    }

    fn losing(self, crashes: u8, lost_answers: u8, lost_replies: u8) -> Self {
        Self { crashes, lost_answers, lost_replies, ..self }
    }

    fn without(&self, mistake: Mistake) -> Self {
        Self { mistake: Some(mistake), ..self.clone() }
    }

    fn apply(&mut self, id: u8, generation: u32, write: WriteId, act: Act) -> Outcome {
        let any = self.mistake == Some(Mistake::AnyGeneration);
        let generation =
            if any && matches!(&act, Act::Apply(apply) if apply.add.is_some()) { u32::MAX >> 1 } else { generation };
        let write = Write { handle: browser::handle(id), generation, id: write, act };
        let (outcome, kept) = carry_out(self.live(id), &write, self.now);
        self.records.extend(kept.map(|kept| (id, kept)));
        outcome
    }

    fn live(&self, id: u8) -> Option<&Kept> {
        self.records.get(&id).filter(|kept| kept.deadline > self.now)
    }

    /// A minute later a form that is filled in once more lets its user in.
    fn lets_in_a_minute_later(&self) -> Result<(), String> {
        let mut later = Self { now: self.now.plus(Duration::from_secs(61)), ..self.clone() };
        later = later.losing(0, 0, 0);
        later.requests = vec![Request::new(99, What::LogIn)];
        let jar = later.jar;
        later.requests[0].set_out(jar);
        while !later.requests[0].is_over() {
            later.step(0);
        }
        must(later.logged_in, "a minute later a log-in comes in")?;
        later.is_logged_in_if_told()
    }

    fn is_logged_in_if_told(&self) -> Result<(), String> {
        let user = self.jar.and_then(|cookie| self.user_of(cookie));
        must(!self.logged_in || user.as_deref() == Some(USER), "who was told to be logged in is")
    }
}

fn create(user: Option<String>, membership: Option<crate::store::roster::Membership>) -> Act {
    let (idle, data) = ((HOUR, false), BTreeMap::new());
    Act::Create(Create { user, membership, idle, absolute: None, seen: Sighting::default(), data })
}

impl model::World for World {
    type Key = (bool, Roster, Vec<(u8, String)>, (Option<Cookie>, bool), Vec<Request>, [u8; 3]);

    fn key(&self) -> Self::Key {
        let records = self.records.iter().map(|(id, kept)| (*id, format!("{kept:?}"))).collect();
        let left = [self.crashes, self.lost_answers, self.lost_replies];
        let told = (self.jar, self.logged_in);
        (self.now > NOW, self.roster.clone(), records, told, self.requests.clone(), left)
    }

    fn next(&self) -> Vec<(String, Self)> {
        let mut next = Vec::new();
        for at in (0..self.requests.len()).filter(|at| !self.requests[*at].is_over()) {
            let mut may = |name: &str, change: &dyn Fn(&mut Self)| {
                next.push(step(self, format_args!("{at} {} {name}", self.requests[at].name()), change));
            };
            may("", &|world| world.step(at));
            if self.crashes > 0 {
                may("crashes", &|world| {
                    world.crashes -= 1;
                    world.requests[at].crash();
                });
            }
            if self.lost_replies > 0 && self.requests[at].writes() {
                may("and loses the reply", &|world| {
                    let request = world.requests[at].clone();
                    let told = (world.jar, world.logged_in);
                    world.step(at);
                    (world.jar, world.logged_in) = told;
                    (world.requests[at], world.lost_replies) = (request, world.lost_replies - 1);
                    if world.mistake == Some(Mistake::NotRecognised) {
                        world.requests[at].take_for_another();
                    }
                });
            }
            if self.lost_answers > 0 && self.requests[at].answers() {
                may("and its answer is lost", &|world| {
                    let told = (world.jar, world.logged_in);
                    world.step(at);
                    (world.jar, world.logged_in) = told;
                    world.lost_answers -= 1;
                });
            }
        }
        next
    }

    fn check(&self, over: bool) -> Result<(), String> {
        let before = Cookie { id: 0, generation: 1 };
        must(self.user_of(before).is_none(), "a cookie from before a log-in opens nothing after it")?;
        must(!self.mixed, "a write that was loaded before a log-in is not applied after it")?;
        must(self.ended.iter().all(|id| self.generation(*id).is_none()), "what was logged out stays out")?;
        for id in self.requests.iter().filter_map(|request| request.stored) {
            must(self.value(id).is_none_or(|count| count == 1), "what was answered is stored, and once")?;
        }
        if over {
            self.is_logged_in_if_told()?;
            self.lets_in_a_minute_later()?;
        }
        Ok(())
    }
}

#[test]
fn a_form_that_is_sent_twice_leaves_its_user_logged_in_whatever_is_lost() {
    for cap in [None, Some(Cap::Evict(1))] {
        for is_there in [true, false] {
            // Under a cap the second takes the place of the first, and must be heard of.
            let lost = u8::from(cap.is_none());
            let world = World::new(cap, is_there, &[What::LogIn, What::LogIn]).losing(lost, lost, 1);
            assert!(holds(&format!("twice, {cap:?}, {is_there}"), &world).states > 200);
        }
    }
}

#[test]
fn a_log_in_beside_a_write_and_a_log_out_with_the_same_cookie() {
    for is_there in [true, false] {
        let world = World::new(None, is_there, &[What::LogIn, What::Write, What::LogOut]).losing(0, 0, 1);
        assert!(holds(&format!("beside others, {is_there}"), &world).states > 200);
    }
}

#[test]
fn two_log_ins_beside_a_write_with_a_dead_cookie() {
    let world = World::new(None, false, &[What::LogIn, What::LogIn, What::Write]);
    assert!(holds("two beside a write", &world).states > 200);
}

#[test]
fn each_step_is_needed() {
    let told = "who was told to be logged in is";
    let dead = World::new(None, false, &[What::LogIn, What::Write]);
    finds("no look behind", &dead.without(Mistake::NoLookBehind), told);
    finds("no bury", &dead.without(Mistake::NoBury), told);
    let live = World::new(None, true, &[What::LogIn, What::Write]);
    finds("any generation", &live.without(Mistake::AnyGeneration), "a write that was loaded before a log-in");
    let lost = World::new(None, true, &[What::Write]).losing(0, 0, 1);
    finds("not recognised", &lost.without(Mistake::NotRecognised), "what was answered is stored, and once");
}
