//! A private nginx with the bundled configuration.

use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dir::TempDir;
use super::error::{Error, Result, or_panic};
use super::nginx_conf::{Settings, WORKERS, render};
use super::port::{self, free_port, on_free_port};
use super::process::{Process, Signal, find_program};

#[derive(Debug)]
pub(crate) struct Nginx {
    port: u16,
    tls_port: u16,
    settings: Settings,
    process: Process,
    dir: TempDir,
}

impl Nginx {
    /// In front of instances on these ports.
    pub(crate) async fn start(upstreams: &[u16]) -> Self {
        let upstreams = upstreams.to_vec();
        let settings = Settings { upstreams, ..Settings::default() };
        Self::start_with(settings).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        or_panic(Self::try_start_with(settings).await)
    }

    /// Fails at once when the public port of `settings` is taken.
    pub(crate) async fn try_start_with(settings: Settings) -> Result<Self> {
        match settings.port {
            Some(port) => {
                port::check(port)?;
                launch(settings, port).await
            }
            None => on_free_port(|port| launch(settings.clone(), port)).await,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `https://127.0.0.1:<port>`, where the settings have a certificate.
    pub(crate) fn tls_url(&self) -> String {
        format!("https://127.0.0.1:{}", self.tls_port)
    }

    pub(crate) fn tls_port(&self) -> u16 {
        self.tls_port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The error log, from `notice` on.
    pub(crate) fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// Lines of the access log so far.
    pub(crate) fn access_log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("access.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// SIGHUP, as `nginx -s reload`: new requests get new workers when this returns.
    pub(crate) async fn reload(&self) {
        or_panic(self.try_reload().await);
    }

    /// [`reload`](Self::reload) with other instances.
    pub(crate) async fn reload_with(&mut self, upstreams: &[u16]) {
        self.settings.upstreams = upstreams.to_vec();
        or_panic(render(&self.settings, &self.dir, self.port, self.tls_port));
        self.reload().await;
    }

    async fn try_reload(&self) -> Result<()> {
        let start = self.process.log().len();
        let is_done = |log: &[String]| {
            let leaving = |line: &&String| line.contains("gracefully shutting down");
            log.iter().filter(leaving).count() >= WORKERS
        };
        self.process.signal(Signal::Hup);
        let limit = Duration::from_secs(10);
        let waiting = async {
            loop {
                let log = self.process.log().split_off(start);
                if let Some(refusal) = log.iter().find(|line| line.contains("[emerg]")) {
                    return Err(Error::new(refusal.clone()));
                }
                if is_done(&log) {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        match timeout(limit, waiting).await {
            Ok(done) => done,
            Err(_) => Err(Error::silent("nginx", limit, self.process.log())),
        }
    }
}

async fn launch(settings: Settings, port: u16) -> Result<Nginx> {
    let dir = TempDir::new("nginx")?;
    let tls_port = free_port()?;
    render(&settings, &dir, port, tls_port)?;
    let mut command = Command::new(find_program("nginx")?);
    command
        .arg("-p")
        .arg(dir.path())
        .arg("-c")
        .arg(dir.path().join("nginx.conf"))
        .args(["-g", &format!("daemon off;{}", worker_user(&dir))]);
    let process = Process::spawn("nginx", &mut command)?;
    let answers = || answers(&dir, port);
    process.ready(Duration::from_secs(20), answers).await?;
    Ok(Nginx { port, tls_port, settings, process, dir })
}

/// Started by root, workers would else be of a user who may not come into our directory.
fn worker_user(dir: &TempDir) -> &'static str {
    let is_root = fs::metadata(dir.path()).is_ok_and(|dir| dir.uid() == 0);
    if is_root { " user root;" } else { "" }
}

/// Asked something that nginx refuses by itself, so that no instance ever sees it.
async fn answers(dir: &TempDir, port: u16) -> bool {
    // Its id is written when all ports are bound: the answer is not somebody else's.
    dir.path().join("nginx.pid").exists() && refusal(port).await.is_ok_and(|answer| !answer.is_empty())
}

async fn refusal(port: u16) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"no request\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}
