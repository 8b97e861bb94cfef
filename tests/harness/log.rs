//! What a process says, in a file without a name: it is there as soon as it was said.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, io, process};

#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    pub(crate) fn create() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("stickless-log-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        let file = OpenOptions::new().read(true).append(true).create_new(true).open(&path)?;
        fs::remove_file(path)?;
        Ok(Self(file))
    }

    /// Where the process writes.
    pub(crate) fn end(&self) -> io::Result<Stdio> {
        self.0.try_clone().map(Stdio::from)
    }

    /// Those that are whole.
    pub(crate) fn lines(&self) -> Vec<String> {
        let length = self.0.metadata().map_or(0, |metadata| metadata.len());
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        if self.0.read_exact_at(&mut bytes, 0).is_err() {
            return Vec::new();
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(&[][..], |end| &bytes[..end]);
        let lines = if whole.is_empty() { Vec::new() } else { whole.split(|byte| *byte == b'\n').collect() };
        lines.into_iter().map(|line| String::from_utf8_lossy(line).trim_end().to_owned()).collect()
    }
}
