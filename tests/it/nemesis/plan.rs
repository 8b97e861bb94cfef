//! What is done to whom, and when: a pure function of a seed, the store's topology and a time.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topology {
    /// One shard of a master and two replicas, and three Sentinels.
    Sentinel,
    /// Three shards of a master and a replica.
    Cluster,
}

/// A longer plan of the same seed begins as the shorter one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) rounds: Vec<Round>,
}

/// Faults that overlap. Each round begins with a store that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round {
    /// By their beginnings.
    pub(super) faults: Vec<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: What,
    /// Since the round's beginning.
    pub(super) from: Duration,
    /// At least.
    pub(super) lasts: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A node of the store is killed, hangs, or loses all other nodes; instances reach it as they did.
    Node(Node, Harm),
    /// An operator moves a shard's master.
    Failover(usize),
    /// Between all instances and a master.
    Wire(usize, Wire),
    Sentinel(usize, Harm),
    /// All of them hang.
    Sentinels,
    /// Nothing passes between the instances and the Sentinels.
    Deaf,
    Instance(usize, Harm),
    /// Killed, at once.
    Instances,
    /// An instance's clock is so many seconds ahead, and steps back.
    Clock(usize, i32),
    /// All instances are restarted one after another, with the next list of keys.
    Keys,
}

/// By its role at the beginning of the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) shard: usize,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Master,
    Replica(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Harm {
    Killed,
    Frozen,
    Parted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    /// Replies take so many milliseconds longer.
    Slow(u16),
    /// Requests take so many milliseconds longer: those of a connection that was given up arrive when newer ones are done.
    Late(u16),
    /// Connections end after so many bytes of replies.
    CutReplies(u16),
    CutRequests(u16),
    Swallow,
    SwallowReplies,
    Reset,
}

/// What a round takes beside its faults: until the store is whole, all is well, and some time has shown it.
const HEALING: Duration = Duration::from_millis(4500);

impl Plan {
    pub(super) fn new(seed: u64, topology: Topology, time: Duration) -> Self {
        // The two topologies have nothing in common but the seed.
        let mut rng = Rng::with_seed(seed.wrapping_mul(2) + u64::from(topology == Topology::Cluster));
        let (mut rounds, mut planned) = (Vec::new(), Duration::ZERO);
        while planned < time {
            let round = Round::draw(&mut rng, topology);
            planned += round.span() + HEALING;
            rounds.push(round);
        }
        Self { rounds }
    }
}

impl Round {
    fn draw(rng: &mut Rng, topology: Topology) -> Self {
        let count = rng.usize(2..=4);
        let mut faults = Vec::<Fault>::new();
        while faults.len() < count {
            let what = What::draw(rng, topology);
            let (from, lasts) = (ms(rng, 0..=1500), what.lasts(rng));
            if faults.iter().all(|other| beyond_promise(topology, other.what, what).is_none()) {
                faults.push(Fault { what, from, lasts });
            }
        }
        faults.sort_by_key(|fault| fault.from);
        Self { faults }
    }

    pub(super) fn span(&self) -> Duration {
        self.faults.iter().map(|fault| fault.from + fault.lasts).max().unwrap_or_default()
    }
}

impl What {
    fn draw(rng: &mut Rng, topology: Topology) -> Self {
        let shards = if topology == Topology::Sentinel { 1 } else { 3 };
        let shard = rng.usize(..shards);
        match (rng.u8(..20), topology) {
            (0..=4, _) => Self::Node(Node { shard, role: Role::Master }, Harm::draw(rng)),
            (5..=6, _) => Self::Node(Node { shard, role: Role::draw(rng, topology) }, Harm::draw(rng)),
            (7..=8, _) => Self::Failover(shard),
            (9..=12, _) => Self::Wire(shard, Wire::draw(rng)),
            (13, Topology::Sentinel) => Self::Sentinel(rng.usize(..3), Harm::draw(rng)),
            (14, Topology::Sentinel) => [Self::Sentinels, Self::Deaf][rng.usize(..2)],
            (13..=16, _) => Self::Instance(rng.usize(..3), Harm::draw_for_instance(rng)),
            (17, _) => Self::Instances,
            (18, _) => Self::Clock(rng.usize(..3), [3600, -3600, 300, -300][rng.usize(..4)]),
            _ => Self::Keys,
        }
    }

    fn lasts(self, rng: &mut Rng) -> Duration {
        match self {
            Self::Node(..) => ms(rng, 300..=4000),
            Self::Sentinel(..) | Self::Sentinels | Self::Deaf => ms(rng, 500..=3000),
            Self::Wire(..) | Self::Instance(..) | Self::Instances => ms(rng, 100..=1500),
            Self::Clock(..) => ms(rng, 200..=2000),
            Self::Failover(_) | Self::Keys => Duration::ZERO,
        }
    }
}

impl Role {
    fn draw(rng: &mut Rng, topology: Topology) -> Self {
        Self::Replica(if topology == Topology::Sentinel { rng.usize(..2) } else { 0 })
    }
}

impl Harm {
    fn draw(rng: &mut Rng) -> Self {
        [Self::Killed, Self::Frozen, Self::Parted][rng.usize(..3)]
    }

    fn draw_for_instance(rng: &mut Rng) -> Self {
        [Self::Killed, Self::Frozen][rng.usize(..2)]
    }
}

impl Wire {
    fn draw(rng: &mut Rng) -> Self {
        match rng.u8(..10) {
            0 => Self::Slow(rng.u16(10..=50)),
            1 => Self::Slow(rng.u16(150..=600)),
            // So many that some get as far as their write, and others lose the answer to theirs.
            2 | 8 => Self::CutReplies(rng.u16(..4000)),
            3 => Self::CutRequests(rng.u16(..4000)),
            4 => Self::Swallow,
            5 => Self::SwallowReplies,
            6 | 7 => Self::Late(rng.u16(400..=1500)),
            _ => Self::Reset,
        }
    }
}

fn ms(rng: &mut Rng, range: std::ops::RangeInclusive<u64>) -> Duration {
    Duration::from_millis(rng.u64(range))
}

/// Why two faults do not stand in one round: nobody promised to survive them, or one would undo the other.
pub(super) fn beyond_promise(topology: Topology, one: What, other: What) -> Option<&'static str> {
    either(topology, one, other).or_else(|| either(topology, other, one))
}

fn either(topology: Topology, one: What, other: What) -> Option<&'static str> {
    use What::{Clock, Deaf, Failover, Instance, Instances, Keys, Node, Sentinel, Sentinels, Wire};
    let on_cluster = topology == Topology::Cluster;
    match (one, other) {
        (Node(a, _), Node(b, _)) if a == b => Some("one harm at a time for a node"),
        (Node(a, _), Node(b, _))
            if a.shard == b.shard && (on_cluster || (a.role != Role::Master && b.role != Role::Master)) =>
        {
            Some("all other copies of a shard: what is acknowledged then is on one node only")
        }
        (Node(a, _), Node(b, _)) if a.role == Role::Master && b.role == Role::Master => {
            Some("most masters: nobody elects another")
        }
        (Node(a, _), Failover(shard)) if on_cluster && a.shard == shard => {
            Some("the other half of a planned failover: neither copy leads until it is back")
        }
        (Failover(a), Failover(b)) | (Wire(a, _), Wire(b, _)) if a == b => Some("the same twice"),
        (Sentinel(..), Sentinel(..) | Sentinels | Deaf) | (Sentinels | Deaf, Sentinels | Deaf) => {
            Some("most Sentinels one by one: all of them hang in another round")
        }
        (Sentinels | Deaf, Node(..) | Failover(_)) => Some("without Sentinels no instance can know of another master"),
        (Instance(a, _), Instance(b, _)) | (Clock(a, _), Clock(b, _)) if a == b => Some("the same twice"),
        (Instances | Keys, Instance(..) | Instances | Keys) => {
            Some("who is killed or hangs cannot be restarted in turn")
        }
        _ => None,
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, round) in self.rounds.iter().enumerate() {
            writeln!(f, "round {number}, {:.1} s:", round.span().as_secs_f32())?;
            for fault in &round.faults {
                writeln!(f, "  from {:?} for {:?}: {:?}", fault.from, fault.lasts, fault.what)?;
            }
        }
        Ok(())
    }
}
