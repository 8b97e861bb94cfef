//! When the load itself stood still: an answer that came meanwhile was not late, it was read late.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::history::Event;

const TICK: Duration = Duration::from_millis(5);
/// What a timer is late by anyway.
const ORDINARY: Duration = Duration::from_millis(15);

/// From when to when, since the load's start.
type Span = (Duration, Duration);

/// Ticks on the runtime that the clients run on, until it is told to stop: what a tick is late by, they were too.
pub(super) fn watch(started: Instant, stop: Arc<AtomicBool>) -> JoinHandle<Vec<Span>> {
    tokio::spawn(async move {
        let mut stalls = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let due = started.elapsed() + TICK;
            sleep(TICK).await;
            let now = started.elapsed();
            if now > due + ORDINARY {
                stalls.push((due, now));
            }
        }
        stalls
    })
}

/// Takes the stalls off the events that they fell into.
pub(super) fn excuse(events: &mut [Event], stalls: &[Span]) {
    for event in events {
        let within = |&(from, to): &Span| to.min(event.end).saturating_sub(from.max(event.begin));
        event.stalled = stalls.iter().map(within).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Role;
    use crate::load::history::{Op, Outcome};

    #[test]
    fn what_was_under_way_is_excused_for_as_long_as_it_was() {
        let ms = Duration::from_millis;
        let event = |begin, end| Event {
            client: 0,
            role: Role::Plain,
            instance: 0,
            op: Op::Plain,
            sent: None,
            begin: ms(begin),
            end: ms(end),
            stalled: Duration::ZERO,
            outcome: Outcome::Broken(String::new()),
        };
        let mut events = [event(0, 90), event(90, 110), event(110, 190), event(50, 450), event(200, 300)];
        excuse(&mut events, &[(ms(100), ms(200)), (ms(400), ms(500))]);
        assert_eq!(events.map(|event| event.took()), [90, 10, 0, 250, 100].map(ms));
    }

    #[tokio::test]
    async fn a_runtime_that_stood_still_is_seen() {
        let stop = Arc::new(AtomicBool::new(false));
        let watch = watch(Instant::now(), stop.clone());
        sleep(3 * TICK).await;
        std::thread::sleep(Duration::from_millis(200));
        sleep(3 * TICK).await;
        stop.store(true, Ordering::Relaxed);
        let stalls = watch.await.expect("it ends");
        let seen: Duration = stalls.iter().map(|(from, to)| to.saturating_sub(*from)).sum();
        assert!(seen > Duration::from_millis(150), "{stalls:?}");
    }
}
