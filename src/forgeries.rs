//! Forged cookies, counted: a flood of them is a line a minute, not a line a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::event;

/// How often they are told of.
const EVERY: Duration = Duration::from_secs(60);

/// Cookies that had the form of ours and a signature of nobody's.
#[derive(Debug, Default)]
pub(crate) struct Forgeries {
    /// Not told of yet.
    count: AtomicU64,
    /// Somebody tells of them when a minute is over.
    watched: AtomicBool,
}

impl Forgeries {
    /// Counts some. The first ones are told of at once, those of each minute after them at its end.
    pub(crate) fn add(self: &Arc<Self>, count: u64) {
        if count == 0 {
            return;
        }
        self.count.fetch_add(count, Ordering::Relaxed);
        if self.watched.swap(true, Ordering::Relaxed) {
            return;
        }
        self.tell();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(self.clone().watch())),
            // Without a runtime nobody can wait for the minute's end.
            Err(_) => self.watched.store(false, Ordering::Relaxed),
        }
    }

    async fn watch(self: Arc<Self>) {
        loop {
            sleep(EVERY).await;
            if !self.tell() {
                break;
            }
        }
        self.watched.store(false, Ordering::Relaxed);
    }

    /// Whether there were any.
    fn tell(&self) -> bool {
        let count = self.count.swap(0, Ordering::Relaxed);
        if count > 0 {
            event::forged_cookies(count);
        }
        count > 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    /// The counts that were told.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<u64>>>);

    impl Subscriber for Told {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    impl Visit for Told {
        fn record_u64(&mut self, field: &Field, value: u64) {
            if field.name() == "count" {
                self.0.lock().expect("not poisoned").push(value);
            }
        }

        fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_told_of_at_once_and_then_once_a_minute_with_its_number() {
        let told = Told::default();
        let _guard = tracing::subscriber::set_default(told.clone());
        let forgeries = Arc::new(Forgeries::default());
        let counts = || told.0.lock().expect("not poisoned").clone();
        for _ in 0..1000 {
            forgeries.add(1);
        }
        assert_eq!(counts(), [1]);
        sleep(Duration::from_secs(61)).await;
        assert_eq!(counts(), [1, 999]);
        forgeries.add(5);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(counts(), [1, 999, 5]);
        sleep(Duration::from_secs(60)).await;
        forgeries.add(7);
        assert_eq!(counts(), [1, 999, 5, 7], "after a quiet minute at once again");
    }
}
