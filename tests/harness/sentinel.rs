//! A private Sentinel.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::cli::{cli, field};
use super::dir::TempDir;
use super::error::{Error, Result, or_panic};
use super::process::{Process, Signal, find_program};

/// What it calls the master.
pub(crate) const SERVICE: &str = "main";

/// Answers on its port, and to the harness on a unix socket in its directory, where it also keeps what it knows.
#[derive(Debug)]
pub(crate) struct Sentinel {
    port: u16,
    /// Connections of its own come from this address.
    pub(crate) source: Ipv4Addr,
    // The process before its directory: fields are dropped in this order.
    process: Process,
    dir: TempDir,
}

impl Sentinel {
    /// `config` stands behind what every Sentinel has in its file. Where it has a certificate, the Sentinel speaks TLS
    /// only.
    pub(super) async fn try_start(port: u16, source: Ipv4Addr, config: &str) -> Result<Self> {
        let dir = TempDir::new("sentinel")?;
        let home = dir.path().display();
        let listen = if config.contains("tls-cert-file ") { "port 0\ntls-port" } else { "port" };
        let text = format!(
            "{listen} {port}\nbind 127.0.0.1\nprotected-mode no\ndir {home}\nunixsocket {home}/sentinel.sock\n\
             bind-source-addr {source}\n{config}"
        );
        dir.write("sentinel.conf", &text)?;
        let process = launch(&dir).await?;
        Ok(Self { port, source, process, dir })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// The first line of its log, from line `from` on, that contains `text`; waits for it up to five seconds.
    pub(crate) async fn logged(&self, from: usize, text: &str) -> String {
        or_panic(self.process.logged(from, text).await)
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// With what it knew when it ended.
    pub(crate) async fn restart(&mut self) {
        self.process.terminate(Duration::from_secs(5)).await;
        self.process = or_panic(launch(&self.dir).await);
    }

    /// SIGSTOP.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::Stop);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::Cont);
    }

    /// [`cli`](Self::cli) for `SENTINEL` and this.
    pub(crate) async fn ask(&self, args: &[&str]) -> Result<String> {
        self.cli(&[&["SENTINEL"], args].concat()).await
    }

    /// What redis-cli prints for a command; an error too when it does not answer within five seconds.
    pub(crate) async fn cli(&self, args: &[&str]) -> Result<String> {
        if let Some(status) = self.process.status() {
            return Err(Error::ended("redis-sentinel", status, Vec::new()));
        }
        cli(&self.socket(), None, Duration::from_secs(5), args).await
    }

    /// The port of the master, by its word.
    pub(crate) async fn master(&self) -> Result<u16> {
        let answer = self.ask(&["GET-MASTER-ADDR-BY-NAME", SERVICE]).await?;
        let port = answer.lines().nth(1).and_then(|port| port.parse().ok());
        port.ok_or_else(|| Error::new(format!("no address of a master in {answer:?}")))
    }

    /// It knows of so many other Sentinels, of so many replicas that it could promote, and of no trouble.
    pub(super) async fn is_calm(&self, others: usize, replicas: usize) -> bool {
        let (Ok(master), Ok(known)) = (self.ask(&["MASTER", SERVICE]).await, self.ask(&["REPLICAS", SERVICE]).await)
        else {
            return false;
        };
        let count = |name, wanted: usize| field(&master, name) == Some(wanted.to_string().as_str());
        let (mut replicas_well, mut in_step) = (0, 0);
        let told: Vec<&str> = known.lines().collect();
        for pair in told.windows(2) {
            replicas_well += usize::from(pair == ["flags", "slave"]);
            in_step += usize::from(pair == ["master-link-status", "ok"]);
        }
        let calm = field(&master, "flags") == Some("master") && replicas_well == replicas && in_step == replicas;
        calm && count("num-other-sentinels", others)
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("sentinel.sock")
    }
}

async fn launch(dir: &TempDir) -> Result<Process> {
    let socket = dir.path().join("sentinel.sock");
    let mut command = Command::new(find_program("redis-sentinel")?);
    command.current_dir(dir.path()).arg(dir.path().join("sentinel.conf"));
    let process = Process::spawn_heard("redis-sentinel", &mut command)?;
    let answers =
        || async { cli(&socket, None, Duration::from_secs(1), &["PING"]).await.is_ok_and(|pong| pong == "PONG") };
    process.ready(Duration::from_secs(20), answers).await?;
    Ok(process)
}
