//! The same with a place before each use where the scheduler may let another thread come in, while it is at work.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::sync::{LockResult, MutexGuard};
use std::time::Duration;

/// Where others may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Places {
    Nowhere,
    /// Before each call of the store.
    Calls,
    /// Before each use of what is shared, too.
    All,
}

thread_local! {
    static PLACES: Cell<Places> = const { Cell::new(Places::Nowhere) };
}

/// Does something with these places; it must run under the scheduler.
pub(crate) fn with_places<T>(places: Places, work: impl FnOnce() -> T) -> T {
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            PLACES.set(Places::Nowhere);
        }
    }
    PLACES.set(places);
    let _back = Back;
    work()
}

/// Others may come in here.
pub(crate) fn stop(at: Places) {
    if PLACES.get() >= at && !std::thread::panicking() {
        // No time passes there, another thread may be chosen.
        shuttle::thread::sleep(Duration::ZERO);
    }
}

/// Starts work that nobody waits for, if the scheduler is at work.
pub(crate) fn spawn<F: Future<Output = ()> + Send + 'static>(work: F) -> Result<(), F> {
    if PLACES.get() == Places::Nowhere {
        return Err(work);
    }
    drop(shuttle::future::spawn(work));
    Ok(())
}

/// Nobody comes in while it is held: there is no such place inside.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        stop(Places::All);
        self.0.lock()
    }
}

#[derive(Debug, Default)]
pub(crate) struct AtomicBool(std::sync::atomic::AtomicBool);

impl AtomicBool {
    pub(crate) const fn new(value: bool) -> Self {
        Self(std::sync::atomic::AtomicBool::new(value))
    }

    pub(crate) fn load(&self, order: Ordering) -> bool {
        stop(Places::All);
        self.0.load(order)
    }

    pub(crate) fn store(&self, value: bool, order: Ordering) {
        stop(Places::All);
        self.0.store(value, order);
    }

    pub(crate) fn swap(&self, value: bool, order: Ordering) -> bool {
        stop(Places::All);
        self.0.swap(value, order)
    }
}

#[derive(Debug, Default)]
pub(crate) struct AtomicU64(std::sync::atomic::AtomicU64);

impl AtomicU64 {
    pub(crate) fn load(&self, order: Ordering) -> u64 {
        stop(Places::All);
        self.0.load(order)
    }

    pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
        stop(Places::All);
        self.0.swap(value, order)
    }

    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        stop(Places::All);
        self.0.fetch_add(value, order)
    }
}
