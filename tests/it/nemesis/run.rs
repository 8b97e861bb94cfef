//! Does what the plan says, writes down what came of it, and has it judged.

use std::collections::VecDeque;
use std::env;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::ground::Ground;
use super::haunted::{Haunted, INSTANCES};
use super::hits::{Hit, Passed, Record};
use super::plan::{Fault, Plan, Role, Round, Topology, What};
use crate::load::{self, History, Load, Rules, alone};

/// About 280 requests a second, of which 130 write.
const LOAD: load::Plan = load::Plan { staying: 40, passing: 12, plain: 4, pace: Duration::from_millis(200) };
const TICK: Duration = Duration::from_millis(30);
/// How long all must be well after a round.
const WELL: Duration = Duration::from_millis(700);
/// In which a store that is let alone becomes whole, on any machine.
const WHOLE: Duration = Duration::from_secs(60);
/// An answer takes the budget, and so much on a busy machine.
const SLACK: Duration = Duration::from_secs(1);
/// A route without a session takes no longer there.
const PLAIN: Duration = Duration::from_millis(500);

pub(super) async fn haunt<G: Ground>() {
    let _turn = alone().await;
    let set = |name| env::var(name).ok().map(|value| value.parse::<u64>().unwrap_or_else(|_| panic!("{name}={value}")));
    let (seed, seconds) = (set("STICKLESS_SEED").unwrap_or(1), set("STICKLESS_SECONDS").unwrap_or(15));
    let plan = Plan::new(seed, G::TOPOLOGY, Duration::from_secs(seconds));
    let test = if G::TOPOLOGY == Topology::Sentinel { "befalls_a_store" } else { "befalls_a_cluster" };
    let again = format!(
        "STICKLESS_SEED={seed} STICKLESS_SECONDS={seconds} cargo test --all-features --test it {test} -- --nocapture"
    );
    println!("{again}\n{plan}");
    let mut nemesis = Nemesis::<G>::start().await;
    for (number, round) in plan.rounds.iter().enumerate() {
        nemesis.say(format_args!("round {number}"));
        nemesis.pass(round).await;
    }
    nemesis.judge(&again).await;
}

pub(super) struct Nemesis<G> {
    pub(super) haunted: Haunted<G>,
    pub(super) load: Load,
    pub(super) record: Record,
    stalls: Stalls,
    /// Since when instances are away.
    pub(super) away: [Option<Duration>; INSTANCES],
}

/// When this machine was late to run us, and how much.
type Stalls = Arc<Mutex<Vec<(Instant, Duration)>>>;

/// A fault that was begun, at what node, and when.
struct Open {
    fault: Fault,
    node: usize,
    from: Duration,
}

impl<G: Ground> Nemesis<G> {
    async fn start() -> Self {
        let haunted = Haunted::start().await;
        let load = Load::start(&haunted.fleet.urls(), LOAD).await;
        let stalls = Stalls::default();
        tokio::spawn(look_at_the_clock(Arc::clone(&stalls)));
        let mut nemesis = Self { haunted, load, record: Record::default(), stalls, away: [None; INSTANCES] };
        nemesis.load.pass(2 * WELL).await;
        nemesis.haunted.measure();
        nemesis
    }

    fn say(&self, what: impl Display) {
        println!("{:9.3} s  {what}", self.load.now().as_secs_f32());
    }

    async fn pass(&mut self, round: &Round) {
        let shards = self.haunted.fleet.redis.shards().await;
        let begun = self.load.now();
        let (mut due, mut open) = (VecDeque::from(round.faults.clone()), Vec::<Open>::new());
        self.record.rounds.push(Passed::default());
        while !due.is_empty() || !open.is_empty() {
            let at = self.load.now().saturating_sub(begun);
            while due.front().is_some_and(|fault| fault.from <= at) {
                if let Some(fault) = due.pop_front() {
                    open.push(self.begin(fault, &shards).await);
                }
            }
            let now = self.load.now();
            let (over, still): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|open| now >= open.from + open.fault.lasts);
            open = still;
            for one in over {
                self.end(one).await;
            }
            self.watch().await;
            sleep(TICK).await;
        }
        self.recover().await;
    }

    /// Until the store is whole, all must be well, and has been for a while.
    async fn recover(&mut self) {
        let begun = Instant::now();
        while let Some(trouble) = self.haunted.fleet.redis.trouble().await {
            assert!(begun.elapsed() < WHOLE, "the store is not whole: {trouble}");
            self.haunted.fleet.redis.mend().await;
            self.watch().await;
            sleep(3 * TICK).await;
        }
        self.watch().await;
        let whole = self.load.now();
        self.round().whole = whole;
        self.say("the store is whole");
        self.note_stalls();
        let well = whole + self.record.grace() + WELL;
        while self.load.now() < well {
            self.watch().await;
            sleep(3 * TICK).await;
        }
        self.haunted.measure();
    }

    fn round(&mut self) -> &mut Passed {
        self.record.rounds.last_mut().expect("a round has begun")
    }

    /// Sees who leads.
    pub(super) async fn watch(&mut self) {
        for node in self.haunted.promoted().await {
            let now = self.load.now();
            self.say(format_args!("node {node} leads"));
            self.round().switches.push(now);
        }
    }

    async fn begin(&mut self, fault: Fault, shards: &[Vec<usize>]) -> Open {
        let node = match fault.what {
            What::Node(node, _) => match node.role {
                Role::Master => shards[node.shard][0],
                Role::Replica(number) => shards[node.shard][number + 1],
            },
            What::Wire(shard, _) => self.haunted.leader(&shards[shard]),
            What::Failover(shard) => shards[shard][1],
            _ => 0,
        };
        let from = self.load.now();
        let said = self.strike(fault.what, node).await;
        self.say(format_args!("begins: {:?}, at node {node} {said}", fault.what));
        Open { fault, node, from }
    }

    async fn end(&mut self, open: Open) {
        let Open { fault, node, from } = open;
        self.release(fault.what, node).await;
        let hit = Hit { what: fault.what, from, to: self.load.now() };
        self.say(format_args!("ends:   {:?}, begun at {:.3} s", fault.what, from.as_secs_f32()));
        self.round().hits.push(hit);
    }

    fn note_stalls(&mut self) {
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, at) = (Instant::now(), self.load.now());
        let when = |(moment, late): &(Instant, Duration)| (at.saturating_sub(now - *moment), *late);
        self.record.stalls = stalls.iter().map(when).collect();
    }

    async fn judge(mut self, again: &str) {
        self.note_stalls();
        (0..INSTANCES).for_each(|number| self.haunted.listen_to(number));
        let late = self.record.late();
        let history = self.load.stop().await;
        let excuses = self.record.excuses();
        let rules = Rules {
            budget: Duration::from_millis(G::BUDGET.into()) + SLACK + 2 * late,
            plain: PLAIN + 2 * late,
            refusals: &[503],
            excuses: Some(&excuses),
            ..Rules::new()
        };
        let verdict = history.check(&rules);
        println!("{excuses}\nhealthy after {:.1?}, kept waiting for {late:.1?}", healthy(&history, &self.record));
        println!("{verdict}\n{}", self.haunted.complaints.join("\n"));
        if !verdict.violations.is_empty() || !self.haunted.complaints.is_empty() {
            println!("{}\nagain: {again}", self.haunted.said.join("\n"));
        }
        verdict.assert_clean();
        assert!(self.haunted.complaints.is_empty(), "{:#?}", self.haunted.complaints);
    }
}

/// After each round, how long requests still failed when the store was whole.
fn healthy(history: &History, record: &Record) -> Vec<Duration> {
    let ends = record.rounds.iter().skip(1).filter_map(|round| round.hits.iter().map(|hit| hit.from).min());
    let ends = ends.chain([Duration::MAX]);
    record.rounds.iter().zip(ends).map(|(round, end)| history.last_failure(round.whole, end)).collect()
}

async fn look_at_the_clock(stalls: Stalls) {
    const USUAL: Duration = Duration::from_millis(50);
    loop {
        let due = Instant::now() + Duration::from_millis(10);
        tokio::time::sleep_until(due).await;
        let now = Instant::now();
        if now - due > USUAL {
            stalls.lock().unwrap_or_else(PoisonError::into_inner).push((now, now - due));
        }
    }
}
