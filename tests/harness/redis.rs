//! A private Redis server.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::cli::{cli, info};
use super::dir::TempDir;
use super::error::{Error, Result, or_panic};
use super::monitor::Monitor;
use super::nginx_conf::Certificate;
use super::port::on_free_port;
use super::process::{Process, Signal, find_program};

/// Listens on a loopback port and on a unix socket in its directory.
///
/// The harness itself talks to the socket, whatever stands between the port and the instances.
#[derive(Debug)]
pub(crate) struct RedisServer {
    port: u16,
    args: Vec<String>,
    env: Vec<(String, String)>,
    counts: AtomicU64,
    // The process before its directory: fields are dropped in this order.
    process: Process,
    dir: TempDir,
}

impl RedisServer {
    /// Keeps nothing: after a restart it is empty.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Every acknowledged write is on the disk, so it survives `kill` and `restart`.
    pub(crate) async fn start_durable() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).await
    }

    /// With more of redis-server's options, such as `&["--maxmemory", "5mb"]`.
    pub(crate) async fn start_with(args: &[&str]) -> Self {
        or_panic(Self::try_start_with(args).await)
    }

    /// Speaks TLS only, on its port.
    pub(crate) async fn start_tls(Certificate { certificate, key }: &Certificate) -> Self {
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        Self::start_with(&["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-auth-clients", "no"]).await
    }

    pub(crate) async fn try_start() -> Result<Self> {
        Self::try_start_with(&[]).await
    }

    pub(crate) async fn try_start_with(args: &[&str]) -> Result<Self> {
        Self::try_start_in(args, &[]).await
    }

    /// In an environment of its own, such as one that turns its clock.
    pub(crate) async fn start_in(env: &[(&str, &str)]) -> Self {
        or_panic(Self::try_start_in(&[], env).await)
    }

    async fn try_start_in(args: &[&str], env: &[(&str, &str)]) -> Result<Self> {
        on_free_port(|port| async move {
            let dir = TempDir::new("redis")?;
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let process = launch(port, &dir, &args, &env).await?;
            Ok(Self { port, args, env, counts: AtomicU64::new(0), process, dir })
        })
        .await
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `redis://…`, or `rediss://…` for a server of [`start_tls`](Self::start_tls).
    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme(), self.port)
    }

    /// `redis`, or `rediss` where it speaks TLS.
    pub(super) fn scheme(&self) -> &'static str {
        if speaks_tls(&self.args) { "rediss" } else { "redis" }
    }

    /// `unix:///…`
    pub(crate) fn unix_url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("redis.sock")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// One that is silent only has not.
    pub(super) fn has_ended(&self) -> bool {
        self.process.status().is_some()
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// SIGTERM: Redis ends in good order.
    pub(crate) async fn stop(&self) {
        self.process.terminate(Duration::from_secs(5)).await;
    }

    /// Starts again on the same port, with the same options and directory; stops first when it still runs.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.process = or_panic(launch(self.port, &self.dir, &self.args, &self.env).await);
        self.counts = AtomicU64::new(0);
    }

    /// SIGSTOP: connections stay open, nothing answers.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::Stop);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::Cont);
    }

    /// What redis-cli prints for a command, a line an element. Options of redis-cli may stand first.
    pub(crate) async fn cli(&self, args: &[&str]) -> String {
        or_panic(self.try_cli(args).await)
    }

    pub(crate) async fn try_cli(&self, args: &[&str]) -> Result<String> {
        cli(&self.socket(), self.password(), Duration::from_secs(10), args).await
    }

    /// The text that a command is answered with, without a process for it, within a second: for what is asked often.
    pub(crate) async fn text(&self, command: &str) -> Option<String> {
        timeout(Duration::from_secs(1), text(&self.socket(), command)).await.ok()?
    }

    /// The first lines of the answers to commands on one connection.
    pub(crate) async fn pipe(&self, commands: &[&str]) -> Vec<String> {
        or_panic(pipe(&self.socket(), commands).await.map_err(|error| Error::io("redis-server", &error)))
    }

    /// The value of a line of `INFO`.
    pub(crate) async fn info(&self, section: &str, name: &str) -> String {
        let text = self.cli(&["INFO", section]).await;
        let Some(value) = info(&text, name) else { panic!("no {name} in {text}") };
        value.to_owned()
    }

    /// The hash at `key` by field, for records.
    pub(crate) async fn hash(&self, key: &str) -> HashMap<String, String> {
        // Quoted, for some fields are bytes, and any of them may be that of a line's end.
        let text = self.cli(&["--no-raw", "HGETALL", key]).await;
        let mut texts = text.lines().filter_map(quoted);
        std::iter::from_fn(|| Some((texts.next()?, texts.next()?))).collect()
    }

    /// The keys of all records and tombstones, whatever their prefix.
    pub(crate) async fn records(&self) -> Vec<String> {
        self.cli(&["KEYS", "*:s:*"]).await.lines().filter(|key| !key.is_empty()).map(str::to_owned).collect()
    }

    /// Every command the server runs from now on, until it is stopped.
    pub(crate) async fn monitor(&self) -> Monitor {
        or_panic(Monitor::start(self.socket(), self.password()).await)
    }

    /// Commands run so far, also those inside scripts and those of `cli`; not those of this method.
    pub(crate) async fn command_count(&self) -> u64 {
        let stats = self.cli(&["INFO", "stats"]).await;
        let count = info(&stats, "total_commands_processed").and_then(|count| count.parse::<u64>().ok());
        let Some(count) = count else { panic!("no count of commands in {stats}") };
        let own = if self.password().is_some() { 2 } else { 1 };
        let earlier = self.counts.fetch_add(own, Ordering::Relaxed);
        // The server counts a command when it has run: AUTH is in this answer, INFO itself is not.
        count.saturating_sub(earlier + own - 1)
    }

    fn password(&self) -> Option<&str> {
        let name = self.args.iter().position(|arg| arg == "--requirepass")?;
        self.args.get(name + 1).map(String::as_str)
    }
}

async fn launch(port: u16, dir: &TempDir, args: &[String], env: &[(String, String)]) -> Result<Process> {
    let port = port.to_string();
    let listen: &[&str] = if speaks_tls(args) { &["--port", "0", "--tls-port", &port] } else { &["--port", &port] };
    let socket = dir.path().join("redis.sock");
    // Empty at first: what a Sentinel has it write there outlives a restart.
    let config = dir.path().join("redis.conf");
    if !config.exists() {
        dir.write("redis.conf", "")?;
    }
    let mut command = Command::new(find_program("redis-server")?);
    command
        .current_dir(dir.path())
        .arg(&config)
        .args(["--bind", "127.0.0.1", "--save", ""])
        .args(listen)
        .arg("--dir")
        .arg(dir.path())
        .arg("--unixsocket")
        .arg(&socket)
        .args(args)
        .envs(env.iter().map(|(name, value)| (name, value)));
    let process = Process::spawn_heard("redis-server", &mut command)?;
    let answers = || async { ping(&socket).await.is_some_and(|answer| !answer.starts_with("-LOADING")) };
    process.ready(Duration::from_secs(20), answers).await?;
    Ok(process)
}

fn speaks_tls(args: &[String]) -> bool {
    args.iter().any(|arg| arg == "--tls-cert-file")
}

async fn text(socket: &Path, command: &str) -> Option<String> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await.ok()?);
    stream.write_all(format!("{command}\r\n").as_bytes()).await.ok()?;
    let mut head = String::new();
    stream.read_line(&mut head).await.ok()?;
    let head = head.trim_end();
    let Some(length) = head.strip_prefix('$') else { return head.strip_prefix('+').map(str::to_owned) };
    let mut text = vec![0; length.parse().ok()?];
    stream.read_exact(&mut text).await.ok()?;
    String::from_utf8(text).ok()
}

async fn pipe(socket: &Path, commands: &[&str]) -> std::io::Result<Vec<String>> {
    let mut stream = BufReader::new(UnixStream::connect(socket).await?);
    let mut answers = Vec::new();
    for command in commands {
        stream.write_all(format!("{command}\r\n").as_bytes()).await?;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        answers.push(line.trim_end().to_owned());
    }
    Ok(answers)
}

/// Any answer will do, also that a password is wanted.
async fn ping(socket: &Path) -> Option<String> {
    let mut stream = UnixStream::connect(socket).await.ok()?;
    stream.write_all(b"PING\r\n").await.ok()?;
    let mut answer = [0; 256];
    let length = stream.read(&mut answer).await.ok().filter(|length| *length > 0)?;
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// The text on a line of redis-cli's: a number, and the text in quotes.
fn quoted(line: &str) -> Option<String> {
    let mut rest = line.split_once(") \"")?.1.strip_suffix('"')?.bytes();
    let mut bytes = Vec::new();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'a' => 7,
                b'b' => 8,
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                other => other,
            },
            _ => byte,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
