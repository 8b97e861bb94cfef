//! What one node says of its Cluster. Pure.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;

use redis::{Pipeline, Value, from_redis_value};

use super::super::url::Address;
use super::slot::SLOTS;

/// One node's view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// The id of the node whose view it is.
    pub(super) of: String,
    /// All nodes that it knows, by id.
    pub(super) members: BTreeMap<String, Member>,
}

/// A node, as another one sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Member {
    /// None while nobody knows it.
    pub(super) address: Option<Address>,
    pub(super) is_master: bool,
    /// It does not answer: found by all, or by this one alone.
    pub(super) suspect: bool,
    /// The number of its configuration. Of two that claim a slot, the higher one has it.
    pub(super) epoch: u64,
    pub(super) slots: Vec<RangeInclusive<u16>>,
}

/// Adds the questions: what a client is told of addresses, and what the nodes know of each other.
pub(super) fn ask(pipe: &mut Pipeline) {
    pipe.cmd("CLUSTER").arg("SLOTS").cmd("CLUSTER").arg("NODES");
}

/// A view from the replies of the node that was asked at this address.
pub(super) fn read(slots: &Value, nodes: Value, asked: &Address) -> Option<View> {
    let text: String = from_redis_value(nodes).ok()?;
    let (endpoints, mut of, mut members) = (endpoints(slots, asked), None, BTreeMap::new());
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut words = line.split(' ');
        let mut next = || words.next();
        let (id, place, flags, _master, _ping, _pong, epoch, _link) =
            (next()?, next()?, next()?, next()?, next()?, next()?, next()?, next()?);
        let flag = |name| flags.split(',').any(|flag| flag == name);
        if flag("myself") {
            of = Some(id.to_owned());
        }
        if flag("handshake") {
            continue;
        }
        let said = address(place).filter(|_| !flag("noaddr"));
        let said = said.or_else(|| flag("myself").then(|| asked.clone()));
        let member = Member {
            address: endpoints.get(id).cloned().or(said),
            is_master: flag("master"),
            suspect: flag("fail") || flag("fail?"),
            epoch: epoch.parse().ok()?,
            slots: words.filter_map(range).collect(),
        };
        members.insert(id.to_owned(), member);
    }
    Some(View { of: of?, members })
}

impl View {
    /// Whom this node takes for the owner of a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<(&str, &Member)> {
        let owns = |member: &Member| member.slots.iter().any(|range| range.contains(&slot));
        self.members.iter().find(|(_, member)| owns(member)).map(|(id, member)| (id.as_str(), member))
    }
}

/// `host:port@bus,hostname`. An address without a host is not known yet.
fn address(text: &str) -> Option<Address> {
    let (host, port) = text.split(['@', ',']).next()?.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty()).then(|| Address::new(host.trim_matches(['[', ']']), port))
}

/// One slot or several; those that are on their way (`[…]`) still belong to where they are.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse::<u16>().ok()?, to.parse::<u16>().ok()?);
    (from <= to && usize::from(to) < SLOTS).then_some(from..=to)
}

/// The addresses that clients are to use, by id. Without a host, a node is where the asked one is.
fn endpoints(slots: &Value, asked: &Address) -> HashMap<String, Address> {
    let Value::Array(ranges) = slots else { return HashMap::new() };
    let nodes = ranges.iter().filter_map(|range| match range {
        Value::Array(parts) => parts.get(2..),
        _ => None,
    });
    let endpoint = |node: &Value| {
        let Value::Array(parts) = node else { return None };
        let [host, port, id, ..] = parts.as_slice() else { return None };
        let (port, id) = (from_redis_value(port.clone()).ok()?, from_redis_value(id.clone()).ok()?);
        let host = from_redis_value::<Option<String>>(host.clone()).ok()?.unwrap_or_default();
        match host.as_str() {
            // It wants to be called by a name, and has none.
            "?" => None,
            "" => Some((id, Address::new(asked.host.clone(), port))),
            _ => Some((id, Address::new(host, port))),
        }
    };
    nodes.flatten().filter_map(endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn endpoint(host: Value, port: i64, id: &str) -> Value {
        Value::Array(vec![host, Value::Int(port), bulk(id), Value::Array(Vec::new())])
    }

    fn slots(nodes: Vec<Value>) -> Value {
        Value::Array(vec![Value::Array([vec![Value::Int(0), Value::Int(5)], nodes].concat())])
    }

    fn view(slots: &Value, nodes: &str) -> View {
        read(slots, bulk(nodes), &Address::new("asked", 1)).expect("a view")
    }

    const NODES: &str = "\
        a 10.0.0.1:6379@16379 myself,master - 0 0 7 connected 0-5460 5462 [5461->-b] [9->-c]\n\
        b 10.0.0.2:6379@16379,b.example master,fail? - 0 0 8 connected 5461-5461 5463-16383\n\
        c ::1:7000@17000 slave b 0 0 8 connected\n\
        d :0@0 master,noaddr,fail - 0 0 3 disconnected\n\
        e 10.0.0.9:1@2 handshake - 0 0 0 connected\n";

    #[test]
    fn a_view_has_each_node_with_its_slots_and_its_epoch() {
        let view = view(&Value::Array(Vec::new()), NODES);
        assert_eq!(view.of, "a");
        let member = |id: &str| view.members[id].clone();
        assert_eq!(member("a").slots, [0..=5460, 5462..=5462]);
        assert_eq!((member("a").epoch, member("a").suspect), (7, false));
        assert_eq!((member("b").epoch, member("b").suspect), (8, true));
        assert_eq!((member("c").address, member("c").is_master), (Some(Address::new("::1", 7000)), false));
        assert_eq!((member("d").address, member("d").suspect), (None, true));
        assert!(!view.members.contains_key("e"));
        assert_eq!(view.owner(5461).map(|(id, _)| id), Some("b"));
        assert_eq!(view.owner(5462).map(|(id, _)| id), Some("a"));
    }

    #[test]
    fn the_address_that_clients_are_told_comes_first_and_a_missing_host_is_the_one_that_was_asked() {
        let told = vec![endpoint(bulk("a.example"), 7, "a"), endpoint(Value::Nil, 8, "b"), endpoint(bulk("?"), 9, "c")];
        let view = view(&slots(told), NODES);
        let address = |id: &str| view.members[id].address.clone();
        assert_eq!(address("a"), Some(Address::new("a.example", 7)));
        assert_eq!(address("b"), Some(Address::new("asked", 8)));
        assert_eq!(address("c"), Some(Address::new("::1", 7000)));
        let alone = "a :6379@16379 myself,master - 0 0 0 connected 0-16383\n";
        let view = read(&Value::Nil, bulk(alone), &Address::new("asked", 1)).expect("a view");
        assert_eq!(view.members["a"].address, Some(Address::new("asked", 1)));
    }

    #[test]
    fn what_is_no_view_is_none() {
        let read = |text: &str| read(&Value::Nil, bulk(text), &Address::new("asked", 1));
        for text in ["", "a", "a 1:1@1 master - 0 0 7 connected\n", "a 1:1@1 myself,master - 0 0 x connected\n"] {
            assert_eq!(read(text), None, "{text}");
        }
        let wild = read("a 1:1@1 myself,master - 0 0 1 connected 7-3 99999 0-16384 5\n").expect("a view");
        assert_eq!(wild.members["a"].slots, [5..=5]);
    }
}
