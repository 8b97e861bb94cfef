//! One instance of the application: the example `instance` as it was built last.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::{Error, Result, or_panic};
use super::http::Client;
use super::port::{free_port, on_free_port};
use super::process::{Process, Signal, find_program};

/// Runs with nothing in its environment but `PATH` and what is given.
#[derive(Debug)]
pub(crate) struct Instance {
    port: u16,
    binary: PathBuf,
    wrapper: Vec<String>,
    env: Env,
    process: Process,
}

type Env = Vec<(String, String)>;

impl Instance {
    /// Answers `GET /healthz` with 200 when this returns. `LISTEN` is chosen unless given.
    pub(crate) async fn start<K: AsRef<str>, V: AsRef<str>>(env: &[(K, V)]) -> Self {
        or_panic(Self::try_start(env).await)
    }

    /// Run by another program, such as `&["faketime", "-f", "+5m"]`.
    pub(crate) async fn start_under<K: AsRef<str>, V: AsRef<str>>(wrapper: &[&str], env: &[(K, V)]) -> Self {
        or_panic(launch(wrapper.iter().map(ToString::to_string).collect(), owned(env)).await)
    }

    /// Another build of the instance than this one.
    pub(crate) async fn start_binary<K: AsRef<str>, V: AsRef<str>>(binary: &Path, env: &[(K, V)]) -> Self {
        or_panic(launch_binary(binary.to_owned(), Vec::new(), owned(env)).await)
    }

    pub(crate) async fn try_start<K: AsRef<str>, V: AsRef<str>>(env: &[(K, V)]) -> Result<Self> {
        launch(Vec::new(), owned(env)).await
    }

    /// For settings that are refused: the exit status, and standard error.
    pub(crate) async fn run_to_exit<K: AsRef<str>, V: AsRef<str>>(env: &[(K, V)]) -> (ExitStatus, String) {
        const LIMIT: Duration = Duration::from_secs(10);
        let process = or_panic(free_port().and_then(|port| spawn(&binary("instance")?, &[], &owned(env), port)));
        let Some(status) = process.ended_within(LIMIT).await else {
            panic!("the instance still runs after {LIMIT:?}: {:?}", process.log());
        };
        (status, process.log().join("\n"))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:<port>`
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Lines of standard error so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.process.log()
    }

    /// The first logged line that contains `text`; waits for it up to five seconds.
    pub(crate) async fn logged(&self, text: &str) -> String {
        or_panic(self.process.logged(0, text).await)
    }

    /// SIGKILL.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// SIGSTOP: connections stay open, nothing answers.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::Stop);
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::Cont);
    }

    /// SIGTERM, and waits until what is in flight is answered; SIGKILL after thirty seconds.
    pub(crate) async fn terminate(&self) -> ExitStatus {
        self.process.terminate(Duration::from_secs(30)).await
    }

    /// On the same port with the same settings, as at a deploy; terminates first when it still runs.
    pub(crate) async fn restart(&mut self) {
        self.terminate().await;
        self.process = or_panic(run(&self.binary, &self.wrapper, &self.env, self.port).await);
    }

    /// [`restart`](Self::restart) with other settings, such as another list of keys.
    pub(crate) async fn restart_with<K: AsRef<str>, V: AsRef<str>>(&mut self, env: &[(K, V)]) {
        self.env = owned(env);
        self.restart().await;
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Nobody is under way any more: it need not take its time.
        if self.process.status().is_none() {
            self.process.kill();
        }
    }
}

/// A random `SESSION_KEYS` with one key.
pub(crate) fn session_key() -> String {
    let mut key = [0; 32];
    if let Err(error) = getrandom::fill(&mut key) {
        panic!("no random bytes from the system: {error}");
    }
    STANDARD.encode(key)
}

async fn launch(wrapper: Vec<String>, env: Env) -> Result<Instance> {
    launch_binary(binary("instance")?, wrapper, env).await
}

async fn launch_binary(binary: PathBuf, wrapper: Vec<String>, env: Env) -> Result<Instance> {
    let started = |port, process| (port, process);
    let (port, process) = match given_port(&env)? {
        Some(port) => started(port, run(&binary, &wrapper, &env, port).await?),
        None => {
            on_free_port(|port| {
                let (binary, wrapper, env) = (&binary, &wrapper, &env);
                async move { Ok(started(port, run(binary, wrapper, env, port).await?)) }
            })
            .await?
        }
    };
    Ok(Instance { port, binary, wrapper, env, process })
}

async fn run(binary: &Path, wrapper: &[String], env: &Env, port: u16) -> Result<Process> {
    let mut process = spawn(binary, wrapper, env, port)?;
    let client = Client::new();
    let url = format!("http://127.0.0.1:{port}/healthz");
    let answers = || async {
        let answer = client.get(&url).try_send().await;
        answer.is_ok_and(|answer| answer.status == 200)
    };
    process.ready(Duration::from_secs(20), answers).await?;
    if !wrapper.is_empty() {
        process.signal_innermost();
    }
    Ok(process)
}

fn spawn(binary: &Path, wrapper: &[String], env: &Env, port: u16) -> Result<Process> {
    let mut command = match wrapper {
        [] => Command::new(binary),
        [program, args @ ..] => {
            let mut command = Command::new(find_program(program)?);
            command.args(args).arg(binary);
            command
        }
    };
    command
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .env("LISTEN", format!("127.0.0.1:{port}"))
        .envs(env.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null());
    Process::spawn("instance", &mut command)
}

/// Tests and benches run in `target/<profile>/deps`, examples in `target/<profile>/examples`.
pub(crate) fn binary(name: &str) -> Result<PathBuf> {
    let own = env::current_exe().map_err(|error| Error::io("own path", &error))?;
    let examples =
        own.ancestors().skip(1).map(|dir| dir.join("examples").join(name)).take(2).find(|file| file.is_file());
    examples.ok_or_else(|| {
        let release = own.components().any(|part| part.as_os_str() == "release");
        let profile = if release { " --release" } else { "" };
        Error::new(format!("the example {name} is not built: cargo build{profile} --example {name}"))
    })
}

fn given_port(env: &Env) -> Result<Option<u16>> {
    let Some((_, listen)) = env.iter().find(|(name, _)| name == "LISTEN") else {
        return Ok(None);
    };
    let port = listen.rsplit(':').next().and_then(|port| port.parse().ok());
    port.map(Some).ok_or_else(|| Error::new(format!("no port in LISTEN {listen}")))
}

fn owned<K: AsRef<str>, V: AsRef<str>>(env: &[(K, V)]) -> Env {
    env.iter().map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned())).collect()
}
