//! Faulty wires to the nodes of a Cluster, and between them.

use std::net::Ipv4Addr;

use super::super::tcp_proxy::{Mode, TcpProxy};
use super::Cluster;

/// What leads to a node.
#[derive(Debug)]
pub(crate) struct Wires {
    /// For clients and replicas.
    pub(crate) clients: TcpProxy,
    /// For the Cluster's own traffic.
    bus: TcpProxy,
    /// The node's own connections come from this address.
    source: Ipv4Addr,
}

impl Wires {
    pub(super) async fn start(number: usize) -> Self {
        let last = u8::try_from(number + 1).unwrap_or(u8::MAX);
        let (clients, bus) = (TcpProxy::start(0).await, TcpProxy::start(0).await);
        Self { clients, bus, source: Ipv4Addr::new(127, 0, 3, last) }
    }

    pub(super) fn aim(&self, port: u16, bus: u16) {
        self.clients.aim(port);
        self.bus.aim(bus);
    }

    /// Connections from other loopback addresses than 127.0.0.1 are foreign to the protected mode; and where a node
    /// listens is not where it comes from.
    pub(super) fn args(&self) -> Vec<String> {
        let [clients, bus] = [&self.clients, &self.bus].map(|wire| wire.port().to_string());
        let args = ["--protected-mode", "no", "--bind-source-addr", &self.source.to_string()].map(str::to_owned);
        let announced = ["--cluster-announce-ip", "127.0.0.1", "--cluster-announce-port", &clients];
        let announced = [&announced[..], &["--cluster-announce-bus-port", &bus]].concat();
        args.into_iter().chain(announced.into_iter().map(str::to_owned)).collect()
    }
}

impl Cluster {
    /// Between this node and all the others: nothing passes, or everything again. Instances reach all of them.
    pub(crate) fn part(&self, node: usize, mode: Mode) {
        self.part_bus(node, mode);
        for (to, from) in self.across(node) {
            to.clients.set_for(from.source, mode);
        }
    }

    /// Of the Cluster's own traffic alone: replicas hear their masters all the same.
    pub(crate) fn part_bus(&self, node: usize, mode: Mode) {
        for (to, from) in self.across(node) {
            to.bus.set_for(from.source, mode);
        }
    }

    fn across(&self, node: usize) -> impl Iterator<Item = (&Wires, &Wires)> {
        let apart = &self.wires[node];
        let others = self.wires.iter().enumerate().filter(move |(number, _)| *number != node);
        others.flat_map(move |(_, other)| [(apart, other), (other, apart)])
    }
}
