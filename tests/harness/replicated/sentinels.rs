//! Three Sentinels that know all that they would find out.

use std::net::Ipv4Addr;

use futures_util::future::join_all;

use super::super::error::Result;
use super::super::port::free_port;
use super::super::sentinel::{SERVICE, Sentinel};
use super::super::tcp_proxy::TcpProxy;
use super::{Node, Settings};

const SENTINELS: u8 = 3;

pub(super) async fn start(nodes: &[Node], settings: &Settings<'_>) -> Result<(Vec<Sentinel>, Vec<TcpProxy>)> {
    let (mut wires, mut announced) = (Vec::new(), Vec::new());
    for _ in 0..SENTINELS {
        if settings.wires {
            wires.push(TcpProxy::start(0).await);
        }
        announced.push(wires.last().map(TcpProxy::port));
    }
    let mut ports = Vec::new();
    for _ in 0..SENTINELS {
        ports.push(free_port()?);
    }
    let known: Vec<u16> = announced.iter().zip(&ports).map(|(announced, port)| announced.unwrap_or(*port)).collect();
    let start = |number: u8| {
        let at = usize::from(number);
        let config = config_of(at, nodes, &known, settings);
        let source = Ipv4Addr::new(127, 0, 2, number + 1);
        let port = ports[at];
        async move { Sentinel::try_start(port, source, &config).await }
    };
    let sentinels: Vec<Sentinel> = join_all((0..SENTINELS).map(start)).await.into_iter().collect::<Result<_>>()?;
    for (wire, sentinel) in wires.iter().zip(&sentinels) {
        wire.aim(sentinel.port());
    }
    Ok((sentinels, wires))
}

/// All that it would find out by itself within some seconds is written down, so that a test can begin.
fn config_of(own: usize, nodes: &[Node], known: &[u16], settings: &Settings<'_>) -> String {
    use std::fmt::Write as _;
    let id = |number: usize| format!("{:040x}", number + 1);
    let (down_after, failover) = (settings.down_after.as_millis(), settings.failover_timeout.as_millis());
    let mut text = format!(
        "sentinel myid {}\nsentinel monitor {SERVICE} 127.0.0.1 {} 2\n\
         sentinel down-after-milliseconds {SERVICE} {down_after}\nsentinel failover-timeout {SERVICE} {failover}\n\
         sentinel parallel-syncs {SERVICE} 2\nsentinel announce-ip 127.0.0.1\nsentinel announce-port {}\n",
        id(own),
        nodes[0].port(),
        known[own],
    );
    // They speak to the nodes as the nodes speak to each other.
    for option in settings.args.chunks(2).filter(|option| option[0].starts_with("--tls-")) {
        let _ = writeln!(text, "{}", option.join(" ").trim_start_matches('-'));
    }
    for replica in &nodes[1..] {
        let _ = writeln!(text, "sentinel known-replica {SERVICE} 127.0.0.1 {}", replica.port());
    }
    for (number, port) in known.iter().enumerate().filter(|(number, _)| *number != own) {
        let _ = writeln!(text, "sentinel known-sentinel {SERVICE} 127.0.0.1 {port} {}", id(number));
    }
    text
}
