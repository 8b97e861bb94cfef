//! Each fault, done and undone.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::ground::Ground;
use super::haunted::INSTANCES;
use super::plan::{Harm, What, Wire};
use super::run::Nemesis;
use crate::harness::Mode;
use crate::load::Window;

impl<G: Ground> Nemesis<G> {
    /// Does it; what was said to it.
    pub(super) async fn strike(&mut self, what: What, node: usize) -> String {
        let haunted = &mut self.haunted;
        let redis = &mut haunted.fleet.redis;
        match what {
            What::Node(_, Harm::Killed) => {
                haunted.silent.insert(node);
                redis.server(node).kill();
            }
            What::Node(_, Harm::Frozen) => {
                haunted.silent.insert(node);
                redis.server(node).freeze();
            }
            What::Node(_, Harm::Parted) => redis.part(node, Mode::Swallow),
            What::Failover(_) => {
                let asked: Vec<usize> = (0..3).filter(|number| !haunted.silent_sentinels.contains(number)).collect();
                return redis.failover(node, &asked).await;
            }
            What::Wire(_, wire) => redis.wire(node).set_for(Ipv4Addr::LOCALHOST, mode(wire)),
            What::Sentinel(number, harm) => self.strike_sentinel(number, harm),
            What::Sentinels => (0..3).for_each(|number| self.strike_sentinel(number, Harm::Frozen)),
            What::Deaf => {
                redis.sentinel_wires().iter().for_each(|wire| wire.set_for(Ipv4Addr::LOCALHOST, Mode::Swallow));
            }
            What::Instance(number, harm) => self.strike_instance(number, harm),
            What::Instances => (0..INSTANCES).for_each(|number| self.strike_instance(number, Harm::Killed)),
            What::Clock(number, seconds) => haunted.set_clock(number, seconds),
            What::Keys => self.roll_keys().await,
        }
        String::new()
    }

    fn strike_sentinel(&mut self, number: usize, harm: Harm) {
        self.haunted.silent_sentinels.insert(number);
        let sentinel = &self.haunted.fleet.redis.sentinels()[number];
        match harm {
            Harm::Killed => sentinel.kill(),
            Harm::Frozen => sentinel.freeze(),
            Harm::Parted => self.haunted.fleet.redis.sentinel_wires()[number].set(Mode::Swallow),
        }
    }

    fn strike_instance(&mut self, number: usize, harm: Harm) {
        self.away[number].get_or_insert(self.load.now());
        match harm {
            Harm::Frozen => self.haunted.fleet.instances[number].freeze(),
            Harm::Killed | Harm::Parted => self.haunted.kill(number),
        }
    }

    async fn roll_keys(&mut self) {
        self.haunted.next_keys();
        for number in 0..INSTANCES {
            self.away[number] = Some(self.load.now());
            self.haunted.restart(number).await;
            self.is_back(number);
            self.watch().await;
        }
    }

    fn is_back(&mut self, instance: usize) {
        if let Some(from) = self.away[instance].take() {
            self.record.away.push((instance, Window { from, to: self.load.now() }));
        }
    }

    /// Undoes it.
    pub(super) async fn release(&mut self, what: What, node: usize) {
        let haunted = &mut self.haunted;
        match what {
            What::Node(_, Harm::Killed) => haunted.fleet.redis.server_mut(node).restart().await,
            What::Node(_, Harm::Frozen) => haunted.fleet.redis.server(node).thaw(),
            What::Node(_, Harm::Parted) => haunted.fleet.redis.part(node, Mode::Forward),
            What::Wire(..) => haunted.fleet.redis.wire(node).set_for(Ipv4Addr::LOCALHOST, Mode::Forward),
            What::Sentinel(number, harm) => self.release_sentinel(number, harm).await,
            What::Sentinels => {
                for number in 0..3 {
                    self.release_sentinel(number, Harm::Frozen).await;
                }
            }
            What::Deaf => haunted.fleet.redis.sentinel_wires().iter().for_each(|wire| wire.set(Mode::Forward)),
            What::Instance(number, harm) => self.release_instance(number, harm).await,
            What::Instances => {
                for number in 0..INSTANCES {
                    self.release_instance(number, Harm::Killed).await;
                }
            }
            What::Clock(number, _) => haunted.set_clock(number, 0),
            What::Failover(_) | What::Keys => {}
        }
        if matches!(what, What::Node(..)) {
            self.haunted.silent.remove(&node);
        }
    }

    async fn release_sentinel(&mut self, number: usize, harm: Harm) {
        let redis = &mut self.haunted.fleet.redis;
        match harm {
            Harm::Killed => redis.sentinels()[number].restart().await,
            Harm::Frozen => redis.sentinels()[number].thaw(),
            Harm::Parted => redis.sentinel_wires()[number].set(Mode::Forward),
        }
        self.haunted.silent_sentinels.remove(&number);
    }

    async fn release_instance(&mut self, number: usize, harm: Harm) {
        match harm {
            Harm::Frozen => self.haunted.fleet.instances[number].thaw(),
            Harm::Killed | Harm::Parted => self.haunted.restart(number).await,
        }
        self.is_back(number);
    }
}

fn mode(wire: Wire) -> Mode {
    match wire {
        Wire::Slow(more) => Mode::DelayReplies(Duration::from_millis(more.into())),
        Wire::Late(more) => Mode::DelayRequests(Duration::from_millis(more.into())),
        Wire::CutReplies(after) => Mode::CutReplies(after.into()),
        Wire::CutRequests(after) => Mode::CutRequests(after.into()),
        Wire::Swallow => Mode::Swallow,
        Wire::SwallowReplies => Mode::SwallowReplies,
        Wire::Reset => Mode::Reset,
    }
}
