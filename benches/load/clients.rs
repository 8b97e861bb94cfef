//! The load: connections with one request under way each, that cost this process as little as can be.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::scenario::Scenario;

/// What the clients saw.
pub(crate) struct Load {
    /// How many answers.
    pub(crate) count: usize,
    pub(crate) took: Duration,
    /// Of each answer, sorted.
    latencies: Vec<Duration>,
}

impl Load {
    pub(crate) fn rate(&self) -> f64 {
        count(self.count) / self.took.as_secs_f64()
    }

    /// The latency below which this share of the answers came, in microseconds.
    pub(crate) fn latency(&self, percent: usize) -> f64 {
        let at = (self.latencies.len() * percent / 100).min(self.latencies.len() - 1);
        self.latencies[at].as_secs_f64() * 1e6
    }
}

pub(crate) fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("fewer than four thousand million"))
}

/// Sends a round of a scenario.
pub(crate) async fn load(port: u16, scenario: &Scenario, connections: usize) -> Load {
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        stream.set_nodelay(true).expect("a TCP socket");
        streams.push(stream);
    }
    let (started, next) = (Instant::now(), Cell::new(0));
    let clients = streams.into_iter().map(|stream| client(stream, scenario, &next));
    let mut latencies: Vec<Duration> = futures_util::future::join_all(clients).await.concat();
    let took = started.elapsed();
    latencies.sort_unstable();
    Load { count: latencies.len(), took, latencies }
}

async fn client(mut stream: TcpStream, scenario: &Scenario, next: &Cell<usize>) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(scenario.count);
    let mut answer = Vec::with_capacity(4096);
    while next.get() < scenario.count {
        let request = &scenario.requests[next.replace(next.get() + 1) % scenario.requests.len()];
        let sent = Instant::now();
        stream.write_all(request).await.expect("the server reads");
        answer.clear();
        while !is_whole(&answer) {
            let read = stream.read_buf(&mut answer).await.expect("the server answers");
            assert!(read > 0, "the server closed the connection");
        }
        latencies.push(sent.elapsed());
        let status = answer.get(9..12).map(String::from_utf8_lossy);
        assert_eq!(status.as_deref(), Some(scenario.status), "{}", String::from_utf8_lossy(&answer));
    }
    latencies
}

/// Whether the answer has come with its body. Neither server sends one of unknown length.
fn is_whole(answer: &[u8]) -> bool {
    let find = |text: &[u8]| answer.windows(text.len()).position(|window| window.eq_ignore_ascii_case(text));
    let Some(head) = find(b"\r\n\r\n") else { return false };
    let Some(name) = find(b"\r\ncontent-length: ") else { return true };
    let length = answer[name + 18..].iter().take_while(|byte| byte.is_ascii_digit());
    let length = length.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    answer.len() >= head + 4 + length
}
