//! Every order of the steps of a few log-ins, an end of all sessions, a log-out and a slide, with crashes at every
//! point: a search of all states, on the rules that the memory store runs and the steps that the log-in takes.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::id::{Id, WriteId};
use crate::record::Limits;
use crate::store::roster::rules::Kept as Roster;
use crate::store::roster::{Membership, PENDING};
use crate::store::rules::{Kept, Live, What, carry_out};
use crate::store::{self, Apply, Create, Delta, Intent, Loaded, Sighting, Write};
use crate::users::sessions::{leaves, verdict};

const HOUR: Duration = Duration::from_secs(3600);
const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);
const USER: &str = "ann";

fn handle(number: u8) -> Handle {
    Id::from_bytes([number; 16]).handle()
}

/// Something that happens, one store call after another.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Process {
    LogIn(LogIn),
    /// Ends all: what is still to be ended, who leaves.
    Everywhere {
        begun: bool,
        epoch: u64,
        left: Vec<Member>,
        gone: Vec<Listed>,
    },
    LogOut {
        handle: Handle,
        destroyed: bool,
    },
    /// A request with the session: the roster is touched, then the record slides.
    Use {
        handle: Handle,
        touched: bool,
    },
    Done,
    Crashed,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct LogIn {
    admission: Admission,
    need: Need,
    /// What a need of several steps came to so far.
    verdicts: Option<Vec<Verdict>>,
    /// The generation of the cookie that it came with.
    presented: u32,
}

/// The world between two steps.
#[derive(Clone)]
struct World {
    now: Timestamp,
    roster: Roster,
    records: BTreeMap<Handle, Kept>,
    /// The generation of the cookie that a client has.
    sent: BTreeMap<Handle, u32>,
    /// The epoch of each end of all that was answered.
    epochs: Vec<u64>,
    processes: Vec<Process>,
    writes: u8,
}

impl World {
    fn new(processes: Vec<Process>) -> Self {
        let (roster, records) = (Roster::default(), BTreeMap::new());
        Self { now: NOW, roster, records, sent: BTreeMap::new(), epochs: Vec::new(), processes, writes: 0 }
    }

    fn record(&self, handle: Handle) -> Option<&Live> {
        match self.records.get(&handle) {
            Some(Kept { what: What::Live(live), .. }) => Some(live),
            _ => None,
        }
    }

    /// A session that a client has the cookie of.
    fn usable(&self) -> Vec<Handle> {
        let usable = |(handle, generation): (&Handle, &u32)| {
            self.record(*handle).filter(|live| live.record.generation == *generation).map(|_| *handle)
        };
        self.sent.iter().filter_map(usable).collect()
    }

    fn apply(&mut self, handle: Handle, generation: u32, act: store::Act) -> store::Outcome {
        self.writes += 1;
        let write = Write { handle, generation, id: WriteId::numbered(self.writes), act };
        let (outcome, kept) = carry_out(self.records.get(&handle), &write, self.now);
        self.records.extend(kept.map(|kept| (handle, kept)));
        outcome
    }

    fn verdicts(&self, members: &[Member]) -> Vec<Verdict> {
        let loaded = |member: &Member| match self.record(member.handle) {
            Some(live) => Loaded::Found(Box::new(live.record.clone())),
            None => Loaded::Missing,
        };
        members.iter().map(|member| verdict(&loaded(member), USER, self.now)).collect()
    }

    fn end(&mut self, handle: Handle, before: Option<u64>) -> Option<bool> {
        let act = store::Act::End { user: USER.into(), before, reason: Reason::Ended };
        match self.apply(handle, 0, act) {
            store::Outcome::Done(_) => Some(true),
            store::Outcome::Superseded => None,
            _ => Some(false),
        }
    }

    /// Binds the record that is there, or creates one.
    fn bind(&mut self, handle: Handle, serial: u64, presented: u32) -> Option<Duration> {
        let membership = Some(Membership { serial, unproved: true });
        let (user, there) = (USER.to_owned(), self.records.contains_key(&handle));
        let act = if there {
            let intent = Intent::LogIn { user, idle: HOUR, absolute: None, reissue: true, membership };
            let (delta, limits) = (Delta::default(), Limits::default());
            store::Act::Apply(Apply { delta, add: None, expect: None, intent, limits })
        } else {
            let (idle, data) = ((HOUR, false), BTreeMap::new());
            store::Act::Create(Create {
                user: Some(user),
                membership,
                idle,
                absolute: None,
                seen: Sighting::default(),
                data,
            })
        };
        matches!(self.apply(handle, presented, act), store::Outcome::Done(_)).then_some(HOUR)
    }

    /// The next step of a process.
    fn step(&mut self, at: usize) {
        self.processes[at] = match self.processes[at].clone() {
            Process::LogIn(log_in) => self.step_log_in(log_in),
            Process::Everywhere { begun: false, .. } => self.begin_everywhere(at),
            Process::Everywhere { epoch, left, gone, .. } => self.step_everywhere(epoch, left, gone),
            Process::LogOut { handle, destroyed } => self.step_log_out(handle, destroyed),
            Process::Use { handle, touched: false } => self.touch(handle),
            Process::Use { handle, .. } => {
                let generation = self.sent.get(&handle).copied().unwrap_or(1);
                self.apply(handle, generation, store::Act::Slide { within: HOUR, seen: None });
                Process::Done
            }
            over => over,
        };
    }

    fn begin_everywhere(&mut self, at: usize) -> Process {
        let id = WriteId::numbered(200 + u8::try_from(at).expect("a few"));
        match self.roster.carry_out(&Act::Everywhere { keep: None, id }, self.now) {
            Outcome::Members { epoch, members } => {
                Process::Everywhere { begun: true, epoch, left: members, gone: Vec::new() }
            }
            other => panic!("{other:?}"),
        }
    }

    fn step_everywhere(&mut self, epoch: u64, mut left: Vec<Member>, mut gone: Vec<Listed>) -> Process {
        if let Some(member) = left.pop() {
            let ended = self.end(member.handle, Some(epoch));
            gone.extend(leaves(&member, ended).then(|| member.listed()));
            return Process::Everywhere { begun: true, epoch, left, gone };
        }
        self.roster.carry_out(&Act::Leave(gone), self.now);
        self.epochs.push(epoch);
        Process::Done
    }

    fn step_log_out(&mut self, handle: Handle, destroyed: bool) -> Process {
        if destroyed {
            self.roster.carry_out(&Act::Leave(vec![Listed { handle, serial: u64::MAX }]), self.now);
            return Process::Done;
        }
        let generation = self.sent.get(&handle).copied().unwrap_or(1);
        match self.apply(handle, generation, store::Act::Destroy) {
            store::Outcome::Superseded => Process::Done,
            _ => Process::LogOut { handle, destroyed: true },
        }
    }

    fn touch(&mut self, handle: Handle) -> Process {
        let Some(serial) = self.record(handle).map(|live| live.record.serial()) else { return Process::Done };
        match self.roster.carry_out(&Act::Touch { handle, serial, life: HOUR }, self.now) {
            Outcome::Outdated { epoch } => {
                self.end(handle, Some(epoch));
                Process::Done
            }
            _ => Process::Use { handle, touched: true },
        }
    }

    fn step_log_in(&mut self, mut log_in: LogIn) -> Process {
        let said = match log_in.need.clone() {
            Need::Roster(act) => Said::Roster(self.roster.carry_out(&act, self.now)),
            Need::Ask(members) => Said::Asked(self.verdicts(&members)),
            // Asked first, so that what they said may be old.
            Need::Bind { ask, .. } if log_in.verdicts.is_none() => {
                log_in.verdicts = Some(self.verdicts(&ask));
                return Process::LogIn(log_in);
            }
            Need::Bind { serial, .. } => {
                let life = self.bind(log_in.admission.handle, serial, log_in.presented);
                Said::Bound(life, log_in.verdicts.take().unwrap_or_default())
            }
            Need::End(mut these, reason) => match these.pop() {
                Some(listed) => {
                    self.end(listed.handle, Some(listed.serial + 1));
                    log_in.need = Need::End(these, reason);
                    return Process::LogIn(log_in);
                }
                None => Said::Ended,
            },
            Need::Nothing(Ok(())) => {
                // The answer goes out; the client comes back with its cookie.
                let handle = log_in.admission.handle;
                if let Some(record) = self.record(handle).map(|live| live.record.clone()) {
                    self.sent.insert(handle, record.generation);
                    let membership = Membership { serial: record.serial(), unproved: false };
                    self.apply(handle, record.generation, store::Act::Place(membership));
                }
                return Process::Done;
            }
            Need::Nothing(Err(_)) => return Process::Done,
        };
        log_in.need = log_in.admission.next(said);
        Process::LogIn(log_in)
    }

    /// What decides all that can still happen.
    fn key(&self) -> impl std::hash::Hash + Eq + use<> {
        let records: Vec<_> = self
            .records
            .keys()
            .map(|handle| {
                let live = self.record(*handle);
                (*handle, live.map(|live| (live.record.generation, live.record.membership)))
            })
            .collect();
        (self.roster.clone(), records, self.sent.clone(), self.epochs.clone(), self.processes.clone())
    }
}

fn log_in(number: u8, cap: Option<Cap>) -> Process {
    let mut admission = Admission::new(handle(number), cap);
    let need = admission.begin();
    Process::LogIn(LogIn { admission, need, verdicts: None, presented: 1 })
}

fn everywhere() -> Process {
    Process::Everywhere { begun: false, epoch: 0, left: Vec::new(), gone: Vec::new() }
}

/// The world after these log-ins, one after another.
fn after(numbers: &[u8], cap: Option<Cap>) -> World {
    let mut world = World::new(Vec::new());
    for number in numbers {
        assert!(log_in_alone(&mut world, *number, cap), "{number} comes in");
    }
    world
}

/// Whether it comes in.
fn log_in_alone(world: &mut World, number: u8, cap: Option<Cap>) -> bool {
    world.processes.push(log_in(number, cap));
    let at = world.processes.len() - 1;
    while world.processes[at] != Process::Done {
        world.step(at);
    }
    world.processes.pop();
    world.sent.contains_key(&handle(number))
}

/// What was found in all states.
#[derive(Default, Debug)]
struct Seen {
    states: usize,
    ends: usize,
}

/// Goes through all states that can be reached; `at_the_end` looks at those in which nothing happens any more.
fn explore(world: &World, crashes: usize, cap: Option<Cap>, at_the_end: impl Fn(&World, bool)) -> Seen {
    let (mut seen, mut known) = (Seen::default(), HashSet::new());
    let mut open = vec![(world.clone(), crashes)];
    while let Some((world, crashes)) = open.pop() {
        if !known.insert((world.key(), crashes)) {
            continue;
        }
        seen.states += 1;
        check(&world, cap);
        let mut ended = true;
        for at in 0..world.processes.len() {
            if matches!(world.processes[at], Process::Done | Process::Crashed) {
                continue;
            }
            ended = false;
            let mut next = world.clone();
            next.step(at);
            open.push((next, crashes));
            if crashes > 0 {
                let mut next = world.clone();
                next.processes[at] = Process::Crashed;
                open.push((next, crashes - 1));
            }
        }
        if ended {
            seen.ends += 1;
            at_the_end(&world, world.processes.contains(&Process::Crashed));
            comes_in_a_minute_later(&world, cap);
        }
    }
    seen
}

/// What holds in every state.
fn check(world: &World, cap: Option<Cap>) {
    for handle in world.records.keys() {
        if world.record(*handle).is_some_and(|live| live.record.user.is_some()) {
            assert!(world.roster.lists(*handle), "alive and not listed");
        }
    }
    let usable = world.usable();
    if let Some(Cap::Evict(most) | Cap::Refuse(most)) = cap {
        assert!(usable.len() <= most as usize, "{} sessions, cap {most}", usable.len());
    }
    for epoch in &world.epochs {
        for handle in &usable {
            let serial = world.record(*handle).map_or(0, |live| live.record.serial());
            assert!(serial > *epoch, "a session from before an end of all is alive after it");
        }
    }
}

/// Whatever crashed: a minute later a log-in comes in, unless there are as many sessions as there may be.
fn comes_in_a_minute_later(world: &World, cap: Option<Cap>) {
    let mut later = world.clone();
    later.now = world.now.plus(Duration::from_secs(60));
    let before = later.usable();
    let full = matches!(cap, Some(Cap::Refuse(most)) if before.len() >= most as usize);
    assert_eq!(log_in_alone(&mut later, 99, cap), !full, "locked out, or let in beyond the cap");
    check(&later, cap);
    if let Some(Cap::Evict(most)) = cap {
        // Nobody gives way who need not.
        let after = later.usable();
        assert_eq!(after.len(), (before.len() + 1).min(most as usize));
    }
}

const CAPS: [Option<Cap>; 5] =
    [None, Some(Cap::Evict(1)), Some(Cap::Evict(2)), Some(Cap::Refuse(1)), Some(Cap::Refuse(2))];

#[test]
fn three_log_ins_with_crashes_leave_no_session_unlisted_and_no_cap_exceeded() {
    for cap in CAPS {
        let world = World::new((1..=3).map(|number| log_in(number, cap)).collect());
        let seen = explore(&world, 2, cap, |world, crashed| {
            let most = match cap {
                Some(Cap::Evict(most) | Cap::Refuse(most)) => most as usize,
                None => 3,
            };
            if !crashed {
                assert_eq!(world.usable().len(), most, "exactly as many come in as may");
            }
        });
        println!("{cap:?}: {seen:?}");
        assert!(seen.states > 500);
    }
}

#[test]
fn an_end_of_all_beside_log_ins_a_log_out_and_a_slide_ends_all_that_were_before_it() {
    for cap in CAPS {
        let most = if matches!(cap, Some(Cap::Evict(1) | Cap::Refuse(1))) { 1 } else { 2 };
        let mut world = after(&[1, 2][..most], cap);
        let used = Process::Use { handle: handle(1), touched: false };
        let left = Process::LogOut { handle: handle(2), destroyed: false };
        world.processes = vec![log_in(3, cap), everywhere(), used, left];
        let seen = explore(&world, 1, cap, |_, _| {});
        println!("{cap:?}: {seen:?}");
        assert!(seen.states > 500);
    }
}

#[test]
fn log_ins_of_a_session_that_is_in_beside_others_and_an_end_of_all() {
    for cap in CAPS {
        let mut world = after(&[1], cap);
        for beside in [1, 2] {
            world.processes = vec![log_in(1, cap), log_in(beside, cap), everywhere()];
            let seen = explore(&world, 1, cap, |_, _| {});
            println!("{cap:?}: {seen:?}");
            assert!(seen.states > 200);
        }
    }
}

#[test]
fn a_place_counts_for_less_than_the_minute_that_nobody_may_be_kept_out() {
    assert!(PENDING < Duration::from_secs(60));
}
