//! Why something could not be started, in one line, with the program's own words beside it.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// `Display` is one line; [`Error::log`] is what the program said before it failed.
#[derive(Debug)]
pub(crate) struct Error {
    message: String,
    log: Vec<String>,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), log: Vec::new() }
    }

    pub(crate) fn missing(program: &str) -> Self {
        let package = package_of(program);
        Self::new(format!("{program} is not installed: apt-get install {package}"))
    }

    pub(crate) fn io(what: impl fmt::Display, source: &io::Error) -> Self {
        Self::new(format!("{what}: {source}"))
    }

    pub(crate) fn ended(program: &str, status: ExitStatus, log: Vec<String>) -> Self {
        let last = log.last().map_or("it said nothing", String::as_str);
        Self { message: format!("{program} ended with {status}: {last}"), log }
    }

    pub(crate) fn silent(program: &str, waited: Duration, log: Vec<String>) -> Self {
        Self { message: format!("{program} did not answer within {waited:?}"), log }
    }

    pub(crate) fn log(&self) -> &[String] {
        &self.log
    }

    /// Whether somebody else took the port between its choice and the program's bind.
    pub(crate) fn lost_the_port(&self) -> bool {
        self.log.iter().any(|line| line.to_lowercase().contains("address already in use"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// For tests: the value, or a panic with the reason and all the program said.
#[track_caller]
pub(crate) fn or_panic<T>(result: Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) if error.log.is_empty() => panic!("{error}"),
        Err(error) => panic!("{error}\n{}", error.log.join("\n")),
    }
}

/// The Debian package that brings a program.
fn package_of(program: &str) -> &str {
    match program {
        "redis-cli" => "redis-tools",
        "redis-sentinel" => "redis-sentinel",
        "chromedriver" => "chromium-driver",
        "certutil" => "libnss3-tools",
        same => same,
    }
}
