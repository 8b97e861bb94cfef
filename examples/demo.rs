//! The whole thing on one machine: a private Redis, three instances, and nginx in front without sticky routing.
//!
//! Run it with `./demo`, or `./demo 8080` for a port of your choice. Ctrl-C or SIGTERM stops everything.

#[path = "../tests/harness/lib.rs"]
mod harness;

use std::env;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use harness::{Error, Instance, Nginx, NginxSettings, RedisServer, Result, session_key};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let mut end = End::listen()?;
    let port = port_asked_for()?;
    let demo = tokio::select! {
        // Dropped half-way, it stops what it has started.
        demo = Demo::start(port) => demo?,
        () = end.asked() => return Ok(()),
    };
    println!("{}", demo.welcome());
    end.asked().await;
    println!("\nstopping");
    Ok(())
}

/// Fields are dropped from the first to the last, and with them their processes.
struct Demo {
    nginx: Nginx,
    instances: Vec<Instance>,
    redis: RedisServer,
}

impl Demo {
    async fn start(port: Option<u16>) -> Result<Self> {
        let redis = RedisServer::try_start().await?;
        let store = redis.url();
        let keys = session_key();
        let mut instances = Vec::new();
        for name in NAMES {
            let settings = [
                ("INSTANCE", name),
                ("STORE", &store),
                ("SESSION_KEYS", &keys),
                // Short enough to see a session's life run down, and slide.
                ("SESSION_IDLE", IDLE_SECS),
                ("CLIENT_IP_SOURCE", "x-forwarded-for"),
                ("TRUSTED_PROXIES", "127.0.0.1"),
            ];
            instances.push(Instance::try_start(&settings).await?);
        }
        let settings = NginxSettings {
            upstreams: instances.iter().map(Instance::port).collect(),
            port,
            ..NginxSettings::default()
        };
        Ok(Self { nginx: Nginx::try_start_with(settings).await?, instances, redis })
    }

    fn welcome(&self) -> String {
        let url = self.nginx.url();
        let redis = self.redis.port();
        let instances: Vec<_> = NAMES
            .iter()
            .zip(&self.instances)
            .map(|(name, instance)| {
                let (url, pid) = (instance.url(), instance.pid());
                format!("  instance {name}   {url}   process {pid}")
            })
            .collect();
        let instances = instances.join("\n");
        format!(
            "\
stickless demo: {url}/

  nginx        {url}   no sticky routing
{instances}
  redis        redis://127.0.0.1:{redis}

Open it in a browser: which instance answers, and that no request is lost, is drawn there.
Or one session, whichever instance answers, by hand:

  curl -si -c jar -b jar {url}/count
      again and again: the count goes on, X-Instance changes
  curl -s -c jar -b jar -X POST '{url}/login?user=ada'
  curl -s -c jar -b jar {url}/me
      the user, and still the same count
  kill {kill}; curl -s -c jar -b jar {url}/me
      instance a is gone, nobody is logged out
  curl -s -c jar -b jar -X POST {url}/logout

A session ends here when nobody used it for {IDLE_SECS} seconds.
What a request costs: redis-cli -p {redis} MONITOR

Ctrl-C stops everything.",
            kill = self.instances.first().map_or(0, Instance::pid),
        )
    }
}

const NAMES: [&str; 3] = ["a", "b", "c"];

const IDLE_SECS: &str = "300";

/// The first argument, else `DEMO_PORT`, else any.
fn port_asked_for() -> Result<Option<u16>> {
    let Some(text) = env::args().nth(1).or_else(|| env::var("DEMO_PORT").ok()) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(0) | Err(_) => Err(Error::new(format!("{text:?} is no port: use 1 to 65535"))),
        Ok(port) => Ok(Some(port)),
    }
}

/// The ways of asking a program in the foreground to end.
struct End([Signal; 3]);

impl End {
    fn listen() -> Result<Self> {
        let on = |kind| signal(kind).map_err(|error| Error::io("signals", &error));
        Ok(Self([on(SignalKind::interrupt())?, on(SignalKind::terminate())?, on(SignalKind::hangup())?]))
    }

    async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
