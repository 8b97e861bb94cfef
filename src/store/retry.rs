//! Attempts at the store: how many, how long, and what each kind of error asks for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use tower::retry::budget::{Budget as _, TpsBudget};

use super::redis::Refusal;
use crate::clock::jitter;
use crate::error::{ConfigError, Unavailable, UnavailableKind};

/// No request waits longer.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The limits of store calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    /// Attempts of one call.
    pub(super) attempts: u32,
    /// Of one attempt.
    pub(super) timeout: Duration,
    /// Of all calls of one request.
    pub(super) budget: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { attempts: 3, timeout: Duration::from_millis(250), budget: Duration::from_secs(1) }
    }
}

impl Policy {
    pub(super) fn check(self) -> Result<Self, ConfigError> {
        if self.attempts == 0 {
            return Err(ConfigError::new("attempts", 0, "must be at least 1"));
        }
        if self.timeout.is_zero() {
            return Err(ConfigError::new("timeout", "0ms", "must be above zero"));
        }
        if self.budget.is_zero() {
            return Err(ConfigError::new("budget", "0ms", "must be above zero"));
        }
        if self.budget > LONGEST {
            return Err(ConfigError::new("budget", format_args!("{:?}", self.budget), "must be at most an hour"));
        }
        Ok(self)
    }

    /// How long to wait for a server that asks to come back later: the attempts that are left share the time that is
    /// left, so that a longer budget rides out a longer wait.
    pub(super) fn wait(left: Duration, attempts: u32, attempt: u32) -> Duration {
        let share = left / (attempts + 1);
        (share / 2 + jitter(share / 2)).max(Self::backoff(attempt))
    }

    /// How long to wait after a failed attempt: full jitter below an exponential limit, so that instances that failed
    /// together do not come back together.
    pub(super) fn backoff(attempt: u32) -> Duration {
        jitter(Duration::from_millis(10 << attempt.min(4)))
    }
}

/// What all calls of a process together may repeat: a fifth of their number, and ten a second, over ten seconds.
#[derive(Debug)]
pub(super) struct Retries {
    calls: AtomicU32,
    budget: TpsBudget,
}

impl Retries {
    /// So many calls pay for one repetition.
    const PRICE: u32 = 5;

    /// A call begins.
    pub(super) fn call(&self) {
        if self.calls.fetch_add(1, Ordering::Relaxed).is_multiple_of(Self::PRICE) {
            self.budget.deposit();
        }
    }

    /// Whether an attempt may be repeated.
    pub(super) fn repeat(&self) -> bool {
        self.budget.withdraw()
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self { calls: AtomicU32::new(0), budget: TpsBudget::new(Duration::from_secs(10), 10, 1.0) }
    }
}

/// What an error asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Look for the master anew, then try again.
    Redial,
    /// Wait, then try again on the same connection.
    Wait,
    /// Send the script itself.
    LoadScript,
    /// Nothing that a second attempt could mend.
    GiveUp,
}

/// The one table of errors.
///
/// | error | the command was done | remedy |
/// |---|---|---|
/// | time-out | perhaps; never after its time | wait; three in a row: redial |
/// | refused, reset, broken pipe, end of stream | perhaps | redial |
/// | no TLS that can be trusted, or our certificate refused | no | redial |
/// | `READONLY` | no | redial |
/// | `LOADING`, `MASTERDOWN`, `CLUSTERDOWN`, `TRYAGAIN`, `BUSY` | no | wait |
/// | `OOM`, `MISCONF`, `NOREPLICAS` | no | give up |
/// | `UNBLOCKED` (a wait, when the master becomes a replica) | yes, and it is lost | redial |
/// | `NOAUTH`, `WRONGPASS`, `NOPERM` | no | give up |
/// | `WRONGTYPE` | no | give up, for this session alone |
/// | `NOSCRIPT` | no | load the script |
pub(super) fn remedy(error: &RedisError) -> (Remedy, UnavailableKind) {
    use Remedy::{GiveUp, LoadScript, Redial, Wait};
    use UnavailableKind as Kind;
    if error.is_timeout() {
        return (Wait, Kind::TimedOut);
    }
    match error.kind() {
        ErrorKind::Io | ErrorKind::Parse => (Redial, of_connection(error)),
        ErrorKind::Server(ServerErrorKind::NoScript) => (LoadScript, Kind::Busy),
        ErrorKind::Server(ServerErrorKind::ReadOnly) => (Redial, Kind::NotMaster),
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::TryAgain,
        ) => (Wait, Kind::Busy),
        ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => (GiveUp, Kind::Denied),
        _ => by_code(code(error)),
    }
}

/// What a connection that broke says of itself.
fn of_connection(error: &RedisError) -> UnavailableKind {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.map_or(UnavailableKind::Disconnected, Refusal::kind)
}

fn by_code(code: &str) -> (Remedy, UnavailableKind) {
    match code {
        "BUSY" => (Remedy::Wait, UnavailableKind::Busy),
        "READONLY" | "UNBLOCKED" => (Remedy::Redial, UnavailableKind::NotMaster),
        "NOAUTH" | "WRONGPASS" | "NOPERM" => (Remedy::GiveUp, UnavailableKind::Denied),
        "WRONGTYPE" => (Remedy::GiveUp, UnavailableKind::Corrupt),
        "NOREPLICAS" => (Remedy::GiveUp, UnavailableKind::NoReplicas),
        // OOM, MISCONF, and what we do not know.
        _ => (Remedy::GiveUp, UnavailableKind::Refused),
    }
}

/// The error's code. Redis before 7 wraps an error inside a script into an `ERR` that quotes it, and a permission that a
/// script lacks has no code of its own.
fn code(error: &RedisError) -> &str {
    const QUOTED: [&str; 5] = ["READONLY", "WRONGTYPE", "NOPERM", "OOM", "MISCONF"];
    match (error.code(), error.detail()) {
        (Some("ERR"), Some(detail)) if detail.starts_with("The user executing the script can't run") => "NOPERM",
        (Some("ERR"), Some(detail)) => QUOTED.into_iter().find(|code| detail.contains(code)).unwrap_or("ERR"),
        (code, _) => code.unwrap_or_default(),
    }
}

/// The error as the application sees it.
pub(super) fn unavailable(error: RedisError) -> Unavailable {
    let (_, kind) = remedy(&error);
    Unavailable::new(kind, error)
}

/// The error's code, if it is one that stands for a cause of its own in the log.
pub(super) fn known_code(error: &RedisError) -> &'static str {
    const KNOWN: [&str; 14] = [
        "OOM",
        "MISCONF",
        "NOREPLICAS",
        "BUSY",
        "LOADING",
        "MASTERDOWN",
        "CLUSTERDOWN",
        "TRYAGAIN",
        "MOVED",
        "ASK",
        "NOAUTH",
        "WRONGPASS",
        "NOPERM",
        "WRONGTYPE",
    ];
    let code = code(error);
    KNOWN.into_iter().find(|known| *known == code).unwrap_or("another error")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(line: &str) -> RedisError {
        let reply = redis::parse_redis_value(line.as_bytes()).expect("RESP");
        reply.extract_error().expect_err("an error reply")
    }

    #[test]
    fn each_error_has_its_remedy() {
        let cases = [
            ("-READONLY You can't write against a read only replica.\r\n", Remedy::Redial, UnavailableKind::NotMaster),
            ("-LOADING Redis is loading the dataset in memory\r\n", Remedy::Wait, UnavailableKind::Busy),
            ("-BUSY Redis is busy running a script.\r\n", Remedy::Wait, UnavailableKind::Busy),
            ("-MASTERDOWN Link with MASTER is down\r\n", Remedy::Wait, UnavailableKind::Busy),
            ("-OOM command not allowed when used memory > 'maxmemory'.\r\n", Remedy::GiveUp, UnavailableKind::Refused),
            ("-MISCONF Redis is configured to save RDB snapshots\r\n", Remedy::GiveUp, UnavailableKind::Refused),
            ("-NOREPLICAS Not enough good replicas to write.\r\n", Remedy::GiveUp, UnavailableKind::NoReplicas),
            ("-UNBLOCKED force unblock from blocking operation\r\n", Remedy::Redial, UnavailableKind::NotMaster),
            ("-NOAUTH Authentication required.\r\n", Remedy::GiveUp, UnavailableKind::Denied),
            ("-NOPERM this user has no permissions\r\n", Remedy::GiveUp, UnavailableKind::Denied),
            ("-WRONGTYPE Operation against a key\r\n", Remedy::GiveUp, UnavailableKind::Corrupt),
            (
                "-ERR The user executing the script can't run this command or subcommand script: 0, on @user_script:9.\r\n",
                Remedy::GiveUp,
                UnavailableKind::Denied,
            ),
            ("-NOSCRIPT No matching script.\r\n", Remedy::LoadScript, UnavailableKind::Busy),
            (
                "-ERR Error running script (call to f_0): @user_script:9: -READONLY You can't write\r\n",
                Remedy::Redial,
                UnavailableKind::NotMaster,
            ),
        ];
        for (line, wanted, kind) in cases {
            assert_eq!(remedy(&server(line)), (wanted, kind), "{line}");
        }
        let io = |kind: std::io::ErrorKind| RedisError::from(std::io::Error::from(kind));
        assert_eq!(remedy(&io(std::io::ErrorKind::BrokenPipe)), (Remedy::Redial, UnavailableKind::Disconnected));
        assert_eq!(remedy(&io(std::io::ErrorKind::TimedOut)), (Remedy::Wait, UnavailableKind::TimedOut));
    }
}
