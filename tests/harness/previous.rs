//! The instance of the previous version, built from the history.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::error::{Error, Result, or_panic};

/// Where it is; `tests/previous` has built it, or does so now, which takes a minute or two.
pub(crate) async fn previous_instance() -> PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT.get_or_init(async || or_panic(build().await)).await.clone()
}

async fn build() -> Result<PathBuf> {
    const LIMIT: Duration = Duration::from_secs(900);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/previous");
    let mut command = Command::new(&script);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(LIMIT, output)
        .await
        .map_err(|_| Error::silent("tests/previous", LIMIT, Vec::new()))?
        .map_err(|error| Error::io(script.display(), &error))?;
    let lines = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
    if !output.status.success() {
        return Err(Error::ended("tests/previous", output.status, lines(&output.stderr)));
    }
    let path = lines(&output.stdout).pop().map(PathBuf::from);
    path.filter(|path| path.is_file()).ok_or_else(|| Error::new("tests/previous names no file"))
}
