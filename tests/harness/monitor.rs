//! What a Redis server is asked, in its own order.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::{Error, Result, or_panic};

/// A connection in MONITOR mode. One line a command: `1700000000.123456 [0 127.0.0.1:40000] "GET" "k"`,
/// with `lua` for the address in what a script runs, and `unix:…` in what the harness itself asks.
#[derive(Debug)]
pub(crate) struct Monitor {
    socket: PathBuf,
    password: Option<String>,
    lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Monitor {
    pub(super) async fn start(socket: PathBuf, password: Option<&str>) -> Result<Self> {
        let mut stream = connect(&socket, password).await?;
        ask(&mut stream, "MONITOR").await?;
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let collected = Arc::clone(&lines);
        let reader = tokio::spawn(async move {
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end().trim_start_matches('+').to_owned();
                collected.lock().unwrap_or_else(PoisonError::into_inner).push(text);
                line.clear();
            }
        });
        Ok(Self { socket, password: password.map(str::to_owned), lines, reader })
    }

    /// What came in so far; a command that was just answered may be missing.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits, for up to ten seconds, until the server was asked this so often.
    pub(crate) async fn heard(&self, command: &str, times: usize) {
        let limit = Duration::from_secs(10);
        let heard = async {
            while self.lines().iter().filter(|line| line.contains(command)).count() < times {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        or_panic(timeout(limit, heard).await.map_err(|_| Error::silent(command, limit, self.lines())));
    }

    /// All that the server ran before this call, and where it wants a password the AUTH of this call itself.
    pub(crate) async fn stop(self) -> Vec<String> {
        or_panic(self.try_stop().await)
    }

    async fn try_stop(self) -> Result<Vec<String>> {
        // The server reports in the order of execution: once it reports this one, it has reported all before.
        const END: &str = "stickless-monitor-end";
        let mut stream = connect(&self.socket, self.password.as_deref()).await?;
        ask(&mut stream, &format!("ECHO {END}")).await?;
        let limit = Duration::from_secs(5);
        let end = async {
            loop {
                let mut lines = self.lines();
                if let Some(at) = lines.iter().position(|line| line.contains(END)) {
                    lines.truncate(at);
                    return lines;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(limit, end).await.map_err(|_| Error::silent("the end of MONITOR", limit, self.lines()))
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn connect(socket: &PathBuf, password: Option<&str>) -> Result<BufReader<UnixStream>> {
    let stream = UnixStream::connect(socket).await;
    let mut stream = BufReader::new(stream.map_err(|error| Error::io("redis", &error))?);
    if let Some(password) = password {
        ask(&mut stream, &format!("AUTH {password}")).await?;
    }
    Ok(stream)
}

/// Sends one inline command and reads the first line of its answer.
async fn ask(stream: &mut BufReader<UnixStream>, command: &str) -> Result<()> {
    let limit = Duration::from_secs(5);
    let mut answer = String::new();
    let exchange = async {
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        stream.read_line(&mut answer).await
    };
    match timeout(limit, exchange).await {
        Err(_) => Err(Error::silent("redis", limit, Vec::new())),
        Ok(Err(error)) => Err(Error::io("redis", &error)),
        Ok(Ok(_)) if answer.starts_with('-') => Err(Error::new(format!("redis: {}", answer.trim_end()))),
        Ok(Ok(_)) => Ok(()),
    }
}
