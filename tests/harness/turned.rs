//! A Redis server whose wall clock is turned: hours go by in a moment, for it and for what it keeps.
//!
//! The faketime library does not get along with the allocator that Debian's server has; a few lines of C do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::dir::TempDir;
use super::error::{Error, Result, or_panic};
use super::fleet::Store;
use super::process::find_program;
use super::redis::RedisServer;

#[derive(Debug)]
pub(crate) struct TurnedRedis {
    pub(crate) server: RedisServer,
    /// Says how many seconds it is ahead.
    file: PathBuf,
    ahead: u64,
    _dir: TempDir,
}

impl TurnedRedis {
    pub(crate) async fn start() -> Self {
        or_panic(Self::try_start().await)
    }

    async fn try_start() -> Result<Self> {
        let dir = TempDir::new("turned")?;
        let library = compile(dir.path())?;
        let file = dir.write("ahead", "0\n")?;
        let [preload, ahead] = [&library, &file].map(|path| path.display().to_string());
        let server = RedisServer::start_in(&[("LD_PRELOAD", &preload), ("AHEAD", &ahead)]).await;
        Ok(Self { server, file, ahead: 0, _dir: dir })
    }

    /// So much time goes by.
    pub(crate) async fn pass(&mut self, time: Duration) {
        let before = self.now().await;
        self.ahead += time.as_secs();
        fs::write(&self.file, format!("{}\n", self.ahead)).expect("a file");
        while self.now().await < before + time.as_secs() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Its clock, in seconds since 1970.
    pub(crate) async fn now(&self) -> u64 {
        let time = self.server.cli(&["TIME"]).await;
        time.lines().next().and_then(|seconds| seconds.parse().ok()).expect("seconds")
    }
}

impl Store for TurnedRedis {
    fn url(&self) -> String {
        self.server.url()
    }
}

fn compile(dir: &Path) -> Result<PathBuf> {
    let (source, library) = (dir.join("ahead.c"), dir.join("ahead.so"));
    fs::write(&source, include_str!("ahead.c")).map_err(|error| Error::io("ahead.c", &error))?;
    let mut cc = Command::new(find_program("cc")?);
    let done = cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).status();
    match done {
        Ok(status) if status.success() => Ok(library),
        other => Err(Error::new(format!("cc made no library of ahead.c: {other:?}"))),
    }
}
