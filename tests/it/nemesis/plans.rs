//! Plans are what their seed says, and hold no more than was promised to be survived.

use std::collections::BTreeSet;
use std::mem::discriminant;
use std::time::Duration;

use super::plan::{Harm, Plan, Role, Topology, What, beyond_promise};

const BOTH: [Topology; 2] = [Topology::Sentinel, Topology::Cluster];
const TIME: Duration = Duration::from_secs(60);

#[test]
fn a_seed_is_one_plan_and_a_longer_run_begins_with_the_shorter() {
    for topology in BOTH {
        let plan = Plan::new(7, topology, TIME);
        assert_eq!(plan, Plan::new(7, topology, TIME));
        assert_eq!(plan.to_string(), Plan::new(7, topology, TIME).to_string());
        assert_ne!(plan, Plan::new(8, topology, TIME));
        let shorter = Plan::new(7, topology, TIME / 4);
        assert!(shorter.rounds.len() < plan.rounds.len());
        assert_eq!(shorter.rounds, plan.rounds[..shorter.rounds.len()]);
    }
}

#[test]
fn plans_compose_all_faults_and_none_that_nobody_can_survive() {
    for topology in BOTH {
        let (mut kinds, mut pairs) = (Vec::new(), BTreeSet::new());
        for round in (0..300).flat_map(|seed| Plan::new(seed, topology, TIME).rounds) {
            assert!(round.faults.len() >= 2 && round.faults.is_sorted_by_key(|fault| fault.from));
            for (at, one) in round.faults.iter().enumerate() {
                kinds.push(discriminant(&one.what));
                for other in &round.faults[at + 1..] {
                    assert_eq!(beyond_promise(topology, one.what, other.what), None, "{one:?} with {other:?}");
                    pairs.insert(format!("{:?} {:?}", discriminant(&one.what), discriminant(&other.what)));
                }
            }
        }
        let mut different = Vec::new();
        for kind in kinds {
            if !different.contains(&kind) {
                different.push(kind);
            }
        }
        let all = if topology == Topology::Sentinel { 10 } else { 7 };
        assert_eq!(different.len(), all, "{topology:?}");
        assert!(pairs.len() > all * all / 2, "{topology:?}: {} pairs", pairs.len());
    }
}

#[test]
fn a_shard_keeps_a_copy_and_a_cluster_most_of_its_masters() {
    let harmed = |round: &super::plan::Round, is: fn(Role) -> bool| -> Vec<usize> {
        let nodes = round.faults.iter().filter_map(|fault| match fault.what {
            What::Node(node, Harm::Killed | Harm::Frozen | Harm::Parted) if is(node.role) => Some(node.shard),
            _ => None,
        });
        nodes.collect()
    };
    for seed in 0..300 {
        for round in Plan::new(seed, Topology::Cluster, TIME).rounds {
            let all = harmed(&round, |_| true);
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "both copies: {round:?}");
            assert!(harmed(&round, |role| role == Role::Master).len() < 2, "two masters: {round:?}");
        }
        for round in Plan::new(seed, Topology::Sentinel, TIME).rounds {
            assert!(harmed(&round, |_| true).len() < 3, "all copies: {round:?}");
        }
    }
}
