//! One direction of one connection.

use std::net::Ipv4Addr;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Direction, Mode, Wire};

/// An end of the connection that is no half-close: an error, or a cut.
pub(super) struct Broken;

pub(super) async fn pump(
    from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    direction: Direction,
    source: Ipv4Addr,
    wire: &Wire,
) -> Result<(), Broken> {
    // A queue between reading and writing, so that a delay is latency and does not limit the rate.
    let (queue, queued) = mpsc::channel(256);
    let end = End { direction, source, wire };
    tokio::try_join!(end.fill(from, queue), end.drain(queued, to))?;
    Ok(())
}

struct End<'a> {
    direction: Direction,
    source: Ipv4Addr,
    wire: &'a Wire,
}

type Chunk = (Instant, Vec<u8>);

impl End<'_> {
    async fn fill(&self, mut from: ReadHalf<'_>, queue: mpsc::Sender<Chunk>) -> Result<(), Broken> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer).await.map_err(|_| Broken)?;
            if length == 0 {
                return Ok(());
            }
            let mode = self.wire.setting.borrow().mode(self.source);
            let chunk = (Instant::now() + mode.delay(self.direction), buffer[..length].to_vec());
            queue.send(chunk).await.map_err(|_| Broken)?;
        }
    }

    async fn drain(&self, mut queued: mpsc::Receiver<Chunk>, mut to: WriteHalf<'_>) -> Result<(), Broken> {
        let mut settings = self.wire.setting.subscribe();
        // Bytes since the mode was set.
        let (mut last, mut passed) = (0, 0);
        while let Some((due, mut chunk)) = queued.recv().await {
            tokio::time::sleep_until(due).await;
            let (number, mode) = {
                let open = settings.wait_for(|setting| !setting.mode(self.source).holds(self.direction)).await;
                let setting = open.map_err(|_| Broken)?;
                (setting.number, setting.mode(self.source))
            };
            if number != last {
                (last, passed) = (number, 0);
            }
            let room = mode.cut(self.direction).map(|limit| usize::try_from(limit - passed).unwrap_or(usize::MAX));
            let reached = room.filter(|room| chunk.len() >= *room);
            let cut = reached.filter(|_| !matches!(mode, Mode::CutOnce(_)) || self.wire.take_cut(number));
            if let Some(room) = cut {
                chunk.truncate(room);
            }
            to.write_all(&chunk).await.map_err(|_| Broken)?;
            passed += chunk.len() as u64;
            self.count(chunk.len() as u64);
            if cut.is_some() {
                return Err(Broken);
            }
        }
        // The other direction may go on: this is a half-close.
        to.shutdown().await.map_err(|_| Broken)
    }

    fn count(&self, bytes: u64) {
        let counter = match self.direction {
            Direction::Request => &self.wire.requests,
            Direction::Reply => &self.wire.replies,
        };
        counter.fetch_add(bytes, Ordering::Relaxed);
    }
}
