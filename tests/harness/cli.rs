//! redis-cli, over a server's unix socket: it gets through whatever stands before the port.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::time::timeout;

use super::error::{Error, Result};
use super::process::find_program;

/// What it prints for a command, a line an element.
pub(super) async fn cli(socket: &Path, password: Option<&str>, limit: Duration, args: &[&str]) -> Result<String> {
    let mut command = tokio::process::Command::new(find_program("redis-cli")?);
    command.arg("-s").arg(socket).args(args);
    command.kill_on_drop(true).stdin(Stdio::null());
    if let Some(password) = password {
        command.env("REDISCLI_AUTH", password);
    }
    let output = timeout(limit, command.output())
        .await
        .map_err(|_| Error::silent("redis-cli", limit, Vec::new()))?
        .map_err(|error| Error::io("redis-cli", &error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::ended("redis-cli", output.status, vec![said]));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim_end_matches('\n').to_owned())
}

/// The value after `name` in an answer of `INFO` (`name:value`).
pub(crate) fn info<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// The value after `name` in an answer that is a list of names and values, a line each.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line == name {
            return lines.next();
        }
    }
    None
}
