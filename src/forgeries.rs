//! Forged cookies, counted: a flood of them is a line a minute, not a line a request.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;

use crate::event;
use crate::sync::{AtomicBool, AtomicU64};

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
        if count == 0 || !self.note(count) {
            return;
        }
        self.tell();
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(self.clone().watch())),
            // Without a runtime nobody can wait for the minute's end.
            Err(_) => while self.goes_on() {},
        }
    }

    /// Counts some; whether nobody is about to tell of them, so that it is the caller's turn.
    pub(crate) fn note(&self, count: u64) -> bool {
        self.count.fetch_add(count, Ordering::SeqCst);
        !self.watched.swap(true, Ordering::SeqCst)
    }

    async fn watch(self: Arc<Self>) {
        loop {
            sleep(EVERY).await;
            if !self.goes_on() {
                break;
            }
        }
    }

    /// Tells of those of the minute that is over; whether somebody has to stay for another one.
    pub(crate) fn goes_on(&self) -> bool {
        self.tell() || !self.rests()
    }

    /// Nobody stays. But who counted one a moment ago relied on somebody: false when it is still this one's turn.
    fn rests(&self) -> bool {
        self.watched.swap(false, Ordering::SeqCst);
        self.count.load(Ordering::SeqCst) == 0 || self.watched.swap(true, Ordering::SeqCst)
    }

    /// Some are counted, and nobody is about to tell of them.
    #[cfg(test)]
    pub(crate) fn is_forgotten(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0 && !self.watched.swap(true, Ordering::SeqCst)
    }

    /// Whether there were any.
    fn tell(&self) -> bool {
        let count = self.count.swap(0, Ordering::SeqCst);
        if count > 0 {
            event::forged_cookies(count);
        }
        count > 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{LazyLock, Mutex};

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Dispatch, Event, Metadata, Subscriber};

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
        // Of one subscriber alone only its own thread knows: an event that another thread comes to first is off for all.
        static ANOTHER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Told::default()));
        LazyLock::force(&ANOTHER);
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
