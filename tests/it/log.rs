//! What the crate logs in a test that runs it itself.

use std::io::{self, Write};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Dispatch;
use tracing::subscriber::{DefaultGuard, set_default};
use tracing_subscriber::fmt::MakeWriter;

/// The log of this thread, where all tasks of a test run.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Until the guard is dropped.
    pub(crate) fn start() -> (Self, DefaultGuard) {
        // Of one subscriber alone only its own thread knows: an event that another thread comes to first is off for all.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
        LazyLock::force(&ANOTHER);
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone()).finish();
        (log, set_default(subscriber))
    }

    /// Those with this in them, so far.
    pub(crate) fn lines(&self, what: &str) -> Vec<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }

    /// Waits for so many lines; nothing follows them.
    pub(crate) async fn expect(&self, what: &str, count: usize) -> Vec<String> {
        let begun = Instant::now();
        while self.lines(what).len() < count {
            assert!(begun.elapsed() < Duration::from_secs(7), "{:#?}", self.lines(""));
            sleep(Duration::from_millis(5)).await;
        }
        sleep(Duration::from_millis(50)).await;
        let lines = self.lines(what);
        assert_eq!(lines.len(), count, "{lines:#?}");
        lines
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
