//! Sessions on the command line, for administrators: list those of a user, end one or all, show one without its data.
//!
//! ```sh
//! sessions list alice
//! sessions end-all alice
//! ```

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Parser, Subcommand};
use stickless::store::{Pem, RedisStore, Timestamp, Tls};
use stickless::{Handle, Users};

/// Sessions of an application, in its store.
#[derive(Parser)]
struct Arguments {
    /// The store's URL.
    #[arg(long, env = "STORE", default_value = "redis://127.0.0.1:6379", hide_env_values = true)]
    store: String,
    /// The certificate of an authority of one's own, in PEM, for a store over TLS.
    #[arg(long, env = "STORE_CA")]
    ca: Option<PathBuf>,
    /// What stands before all keys.
    #[arg(long, env = "STORE_PREFIX", default_value = "stickless:")]
    prefix: String,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The live sessions of a user, the one used last first.
    List {
        #[arg(allow_hyphen_values = true)]
        user: String,
    },
    /// Ends one session.
    End {
        // A handle may begin with a hyphen.
        #[arg(allow_hyphen_values = true)]
        session: Handle,
    },
    /// Ends all sessions of a user, and refuses every log-in that began before.
    EndAll {
        #[arg(allow_hyphen_values = true)]
        user: String,
    },
    /// What is known of a session, without its data.
    Show {
        #[arg(allow_hyphen_values = true)]
        session: Handle,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("no such session");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether what was asked for was there.
async fn run(arguments: Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let mut store = RedisStore::builder(arguments.store).prefix(arguments.prefix).name("sessions");
    if let Some(ca) = arguments.ca {
        store = store.tls(Tls::default().ca(Pem::file(ca)));
    }
    let users = Users::new(store.build()?);
    match arguments.what {
        What::List { user } => {
            for device in users.list(&user).await? {
                let agent = device.user_agent().map_or_else(|| "?".to_owned(), |agent| agent.to_string());
                let address = device.address.as_deref().unwrap_or("?");
                println!("{}  used {}  {address}  {agent}", device.handle, ago(device.seen));
            }
        }
        What::End { session } => return Ok(users.end(session).await?),
        What::EndAll { user } => println!("{} ended", users.end_all(&user).await?),
        What::Show { session } => {
            let Some(info) = users.show(session).await? else { return Ok(false) };
            // A user's id may hold what a terminal obeys.
            let user = info.user.map_or_else(|| "nobody".to_owned(), |user| user.escape_debug().to_string());
            println!("user        {user}");
            println!("born        {}", ago(info.born));
            println!("lives for   {} s if it is not used", info.expires_in.as_secs());
            println!("generation  {}", info.generation);
            println!("values      {} of {} bytes", info.values, info.bytes);
        }
    }
    Ok(true)
}

/// By this machine's clock.
fn ago(then: Timestamp) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = now.saturating_sub(Duration::from_millis(then.as_millis())).as_secs();
    match seconds {
        0..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => format!("{} h ago", seconds / 3600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}
