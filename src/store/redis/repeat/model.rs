//! Every order in which log-outs are acknowledged, lost by a failover or a restart, and repeated, beside log-ins with the
//! same cookie: on the rules that the memory store runs and the notes that this one keeps.

mod instances;
mod requests;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use self::instances::{Instance, Link};
use self::requests::{Request, State, What};
use crate::clock::Timestamp;
use crate::id::{Handle, Id, WriteId};
use crate::model::{self, finds, holds, must, step};
use crate::store::rules::{self, Kept, carry_out};
use crate::store::{Act, Create, Outcome, Sighting, Write};

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const USER: &str = "ann";

fn handle() -> Handle {
    Id::from_bytes([7; 16]).handle()
}

/// What is left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Mistake {
    /// Nothing is repeated on a new node.
    NotRepeated,
    /// Only what was known when the node was connected to.
    NotLate,
    /// What a node acknowledges that was left is believed.
    NotLeft,
    /// A node that was restarted is taken for the same.
    ByAddress,
    /// A repeated log-out ends whatever is there.
    AnyGeneration,
    /// Requests are let onto a node before anything is repeated there.
    Eager,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    /// It has the last word.
    Master,
    /// It was replaced, and goes on.
    Stale,
    /// It takes what the master sends, and refuses writes.
    Replica,
    Dead,
}

#[derive(Clone)]
struct Node {
    role: Role,
    /// Its connections end when it becomes another's replica.
    life: u8,
    kept: Option<Kept>,
}

impl Node {
    fn answers(&self) -> bool {
        matches!(self.role, Role::Master | Role::Stale)
    }

    fn carry_out(&mut self, write: &Write) -> Outcome {
        let (outcome, kept) = carry_out(self.kept.as_ref(), write, NOW);
        self.kept = kept.or(self.kept.take());
        outcome
    }

    /// The generation of the session, where it is alive.
    fn generation(&self) -> Option<u32> {
        match &self.kept {
            Some(Kept { what: rules::What::Live(live), .. }) => Some(live.record.generation),
            _ => None,
        }
    }
}

/// A node, and which of its lives.
type At = (usize, u8);

/// How the master is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Fault {
    /// It goes on for a while.
    Planned,
    Killed,
    /// By itself, restarted from an older copy: at the same address.
    Restarted,
}

#[derive(Clone)]
struct World {
    nodes: [Node; 2],
    /// Which of them has the last word.
    master: usize,
    faults: Vec<Fault>,
    /// So many have been.
    switches: usize,
    instances: Vec<Instance>,
    requests: Vec<Request>,
    /// An instance may still crash, a reply be lost.
    crashes: bool,
    losses: bool,
    mistake: Option<Mistake>,
    begun: Instant,
    steps: u64,
}

impl World {
    fn new(faults: &[Fault], instances: usize, requests: &[(usize, What)]) -> Self {
        let (idle, data) = ((HOUR, false), BTreeMap::new());
        let (user, seen) = (Some(USER.to_owned()), Sighting::default());
        let create = Act::Create(Create { user, membership: None, idle, absolute: None, seen, data });
        let mut node = Node { role: Role::Master, life: 0, kept: None };
        node.carry_out(&Write { handle: handle(), generation: 1, id: WriteId::numbered(100), act: create });
        let mut replica = node.clone();
        replica.role = Role::Replica;
        Self {
            nodes: [node, replica],
            master: 0,
            faults: faults.to_vec(),
            switches: 0,
            instances: vec![Instance::connected(); instances],
            requests: (1..).zip(requests).map(|(id, (at, what))| Request::new(id, *at, *what)).collect(),
            crashes: false,
            losses: false,
            mistake: None,
            begun: Instant::now(),
            steps: 0,
        }
    }

    fn without(&self, mistake: Mistake) -> Self {
        Self { mistake: Some(mistake), ..self.clone() }
    }

    /// Each step is a moment of its own.
    fn moment(&self) -> Instant {
        self.begun + Duration::from_millis(self.steps)
    }

    /// Whether these are two nodes, or one and what became of it.
    fn is_another(&self, one: At, other: At) -> bool {
        let by_address = self.mistake == Some(Mistake::ByAddress);
        one != other && !(by_address && self.is_restarted())
    }

    /// The node that a connection leads to still.
    fn reach(&mut self, (node, life): At) -> Option<&mut Node> {
        Some(&mut self.nodes[node]).filter(|node| node.life == life && node.answers())
    }

    fn is_restarted(&self) -> bool {
        self.faults.contains(&Fault::Restarted)
    }

    fn replace_master(&mut self) {
        let (old, new) = (self.master, 1 - self.master);
        self.nodes[old].role = match self.faults[self.switches] {
            Fault::Planned => Role::Stale,
            Fault::Killed | Fault::Restarted => Role::Dead,
        };
        self.nodes[new].role = Role::Master;
        (self.master, self.switches) = (new, self.switches + 1);
    }

    /// What happens to the nodes.
    fn faults(&self, next: &mut Vec<(String, Self)>) {
        let mut may = |name: &str, change: &dyn Fn(&mut Self)| next.push(step(self, name, change));
        let other = 1 - self.master;
        if self.nodes[other].role == Role::Replica {
            may("replication", &|world| world.nodes[other].kept = world.nodes[world.master].kept.clone());
            if self.switches < self.faults.len() {
                may("failover", &Self::replace_master);
            }
        } else if self.switches > 0 && !self.is_restarted() {
            may("the old master follows the new one", &|world| {
                let (life, kept) = (world.nodes[other].life + 1, world.nodes[world.master].kept.clone());
                world.nodes[other] = Node { role: Role::Replica, life, kept };
            });
        }
    }
}

impl model::World for World {
    type Key = (Vec<(Role, u8, String)>, usize, Vec<instances::Key>, Vec<requests::Key>, [bool; 2]);

    fn key(&self) -> Self::Key {
        let nodes = self.nodes.iter().map(|node| (node.role, node.life, format!("{:?}", node.kept))).collect();
        let instances = self.instances.iter().map(Instance::key).collect();
        let requests = self.requests.iter().map(|request| request.key(&self.instances[request.at])).collect();
        (nodes, self.switches, instances, requests, [self.crashes, self.losses])
    }

    fn next(&self) -> Vec<(String, Self)> {
        let mut next = Vec::new();
        self.faults(&mut next);
        for at in 0..self.instances.len() {
            self.step_instance(at, &mut next);
        }
        for at in 0..self.requests.len() {
            self.step_request(at, &mut next);
        }
        for (_, world) in &mut next {
            world.steps += 1;
        }
        next
    }

    fn check(&self, _: bool) -> Result<(), String> {
        let master = &self.nodes[self.master];
        for instance in &self.instances {
            let Link::Up { at: (node, life) } = instance.link else { continue };
            if self.nodes[node].life != life {
                continue;
            }
            for ending in instance.endings.0.iter().filter(|ending| ending.at < instance.from) {
                let is_over = self.nodes[node].generation().is_none_or(|now| now > ending.write.generation);
                must(is_over, "nobody is let onto a node where what was ended before is alive")?;
            }
        }
        for request in &self.requests {
            let State::Answered { at: (node, _), switches } = request.state else { continue };
            let instance = &self.instances[request.at];
            match request.what {
                What::LogIn => {
                    let stands = node == self.master && switches == self.switches;
                    must(!stands || master.generation() == Some(2), "a later log-in is not harmed")?;
                }
                // Once all is quiet.
                What::LogOut | What::End if self.is_quiet() && !instance.crashed => {
                    must(master.generation() != Some(1), "a log-out that was answered stands in the end")?;
                }
                What::LogOut | What::End => {}
            }
        }
        Ok(())
    }
}

impl World {
    /// Nobody is at work any more, and all are where they should be.
    fn is_quiet(&self) -> bool {
        let settled = |instance: &Instance| {
            instance.crashed || instance.is_settled_on((self.master, self.nodes[self.master].life))
        };
        let over = |request: &Request| request.is_over() || self.instances[request.at].crashed;
        self.instances.iter().all(settled) && self.requests.iter().all(over)
    }
}

use Fault::{Killed, Planned, Restarted};

#[test]
fn a_log_out_that_a_failover_or_a_restart_loses_is_repeated_whatever_the_order() {
    for faults in [&[Planned][..], &[Killed], &[Restarted], &[Planned, Killed], &[Killed, Planned]] {
        for what in [What::LogOut, What::End] {
            let mut world = World::new(faults, 1, &[(0, what)]);
            world.losses = true;
            assert!(holds(&format!("{what:?}, {faults:?}"), &world).states > 100);
        }
    }
}

#[test]
fn a_log_in_with_the_same_cookie_meanwhile_is_not_harmed_by_the_instances_that_repeat() {
    for (fault, at) in [(Planned, 1), (Killed, 0)] {
        let mut world = World::new(&[fault], 2, &[(0, What::LogOut), (at, What::LogIn)]);
        world.crashes = true;
        assert!(holds(&format!("beside a log-in, {fault:?}"), &world).states > 1000);
    }
}

#[test]
fn each_step_of_repeating_is_needed() {
    let one = |fault| World::new(&[fault], 1, &[(0, What::LogOut)]);
    let (stands, entry) = ("a log-out that was answered stands", "nobody is let onto a node");
    finds("not repeated", &one(Killed).without(Mistake::NotRepeated), entry);
    finds("not late", &one(Killed).without(Mistake::NotLate), stands);
    finds("not left", &one(Planned).without(Mistake::NotLeft), stands);
    finds("by address", &one(Restarted).without(Mistake::ByAddress), stands);
    finds("eager", &one(Planned).without(Mistake::Eager), entry);
    let two = World::new(&[Planned], 2, &[(0, What::LogOut), (1, What::LogIn)]);
    finds("any generation", &two.without(Mistake::AnyGeneration), "a later log-in is not harmed");
}
