//! A child process: what it says, its signals, and its certain end.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use tokio::time::timeout;

use super::error::{Error, Result};
use super::log::Log;
use super::watchdog::{self, Ward};

/// A running program in a process group of its own, so that Ctrl-C reaches it only through us.
///
/// Dropped, it is asked to end (SIGTERM), killed with all its children when it does not, and waited for.
#[derive(Debug)]
pub(crate) struct Process {
    program: String,
    /// The id of the process we started, and of its group.
    group: u32,
    /// Who gets the signals: the same, but for a wrapper.
    pid: u32,
    child: Mutex<Child>,
    log: Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Term,
    Kill,
    Hup,
    Stop,
    Cont,
}

impl Process {
    /// Its standard error is the log.
    pub(crate) fn spawn(program: &str, command: &mut Command) -> Result<Self> {
        let log = Log::create().map_err(|error| Error::io(program, &error))?;
        Self::start(program, command, log)
    }

    /// Its standard output is in the log too.
    pub(crate) fn spawn_heard(program: &str, command: &mut Command) -> Result<Self> {
        let log = Log::create().map_err(|error| Error::io(program, &error))?;
        let end = log.end().map_err(|error| Error::io(program, &error))?;
        Self::start(program, command.stdout(end), log)
    }

    fn start(program: &str, command: &mut Command, log: Log) -> Result<Self> {
        let end = log.end().map_err(|error| Error::io(program, &error))?;
        let command = command.stdin(Stdio::null()).stderr(end).process_group(0);
        let child = command.spawn().map_err(|error| Error::io(program, &error))?;
        watchdog::watch(&Ward::Group(child.id()));
        Ok(Self { program: program.to_owned(), group: child.id(), pid: child.id(), child: Mutex::new(child), log })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends signals to the program that this one runs as its child: a wrapper such as faketime would end by
    /// them, and leave its child behind.
    pub(crate) fn signal_innermost(&mut self) {
        while let Some(child) = first_child(self.pid) {
            self.pid = child;
        }
    }

    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lines()
    }

    /// The first logged line, from line `from` on, that contains `text`; waits for it up to five seconds.
    pub(crate) async fn logged(&self, from: usize, text: &str) -> Result<String> {
        let limit = Duration::from_secs(5);
        let started = Instant::now();
        loop {
            let log = self.log();
            if let Some(line) = log.iter().skip(from).find(|line| line.contains(text)) {
                return Ok(line.clone());
            }
            if started.elapsed() > limit {
                return Err(Error::silent(&format!("{text:?} of {}", self.program), limit, log));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until `answers` is true, the program ends, or `limit` is over.
    pub(crate) async fn ready<F>(&self, limit: Duration, answers: impl Fn() -> F) -> Result<()>
    where
        F: Future<Output = bool>,
    {
        let started = Instant::now();
        loop {
            let answered = timeout(Duration::from_secs(1), answers()).await.unwrap_or(false);
            // Looked at second: an answer may be somebody else's who took the port before us.
            if let Some(status) = self.status() {
                return Err(Error::ended(&self.program, status, self.log()));
            }
            if answered {
                return Ok(());
            }
            if started.elapsed() > limit {
                return Err(Error::silent(&self.program, limit, self.log()));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// `None` while it runs.
    pub(crate) fn status(&self) -> Option<ExitStatus> {
        let status = lock(&self.child).try_wait().ok().flatten()?;
        watchdog::release(&Ward::Group(self.group));
        Some(status)
    }

    pub(crate) async fn ended_within(&self, limit: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        while self.status().is_none() && started.elapsed() < limit {
            tokio::time::sleep(POLL).await;
        }
        self.status()
    }

    /// SIGTERM, and SIGKILL when it has not ended within `grace`.
    pub(crate) async fn terminate(&self, grace: Duration) -> ExitStatus {
        self.signal(Signal::Term);
        match self.ended_within(grace).await {
            Some(status) => status,
            None => self.kill(),
        }
    }

    /// SIGKILL for it and its children, and wait.
    pub(crate) fn kill(&self) -> ExitStatus {
        self.signal(Signal::Kill);
        let status = lock(&self.child).wait();
        watchdog::release(&Ward::Group(self.group));
        match status {
            Ok(status) => status,
            Err(error) => panic!("{}: {error}", self.program),
        }
    }

    /// Nothing when it has ended: its id may be another's by then.
    pub(crate) fn signal(&self, signal: Signal) {
        let mut child = lock(&self.child);
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        let name = match signal {
            Signal::Term => "TERM",
            Signal::Kill => "KILL",
            Signal::Hup => "HUP",
            Signal::Stop => "STOP",
            Signal::Cont => "CONT",
        };
        let target = match signal {
            // The group: nginx's workers would outlive their master.
            Signal::Kill => format!("-{}", self.group),
            _ => self.pid.to_string(),
        };
        if !send(name, &target) && signal == Signal::Kill {
            // Without a shell at least the process itself must go.
            let _ = child.kill();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        const GRACE: Duration = Duration::from_secs(2);
        let was_running = self.status().is_none();
        self.signal(Signal::Term);
        // A frozen process takes no other signal before this one.
        self.signal(Signal::Cont);
        let started = Instant::now();
        while self.status().is_none() && started.elapsed() < GRACE {
            thread::sleep(POLL);
        }
        if self.status().is_none() {
            self.kill();
        } else if was_running {
            // What it has started and left behind.
            send("KILL", &format!("-{}", self.group));
        }
    }
}

const POLL: Duration = Duration::from_millis(5);

/// Where a program is: in `PATH`, or where Debian keeps servers, which an ordinary user's `PATH` leaves out. Another one
/// may be named in its place: `REDIS_SERVER=valkey-server`.
pub(crate) fn find_program(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let program = env::var_os(name.to_uppercase().replace('-', "_")).unwrap_or_else(|| name.into());
    env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(&program))
        .find(|file| file.is_file())
        .ok_or_else(|| Error::missing(name))
}

fn first_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// The shell's own `kill` is there on the smallest system, and needs no unsafe code.
fn send(signal: &str, target: &str) -> bool {
    let sent =
        Command::new("/bin/sh").args(["-c", r#"kill -s "$0" -- "$1""#, signal, target]).stderr(Stdio::null()).status();
    sent.is_ok_and(|status| status.success())
}

/// A test that panicked elsewhere is no reason not to stop a server.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
