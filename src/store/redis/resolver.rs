//! The task that keeps the slot filled: finds the master, connects, publishes, and waits for a reason to begin anew.
//!
//! There is one, so there are never two reconnects at once. What the Sentinels announce comes by another way than what
//! requests report, so a flood of errors delays no switch; and it interrupts an attempt that hangs.

mod compass;
mod outage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use self::compass::told;
pub(super) use self::compass::{Compass, Course};
use self::outage::Outage;
use super::clock::StoreClock;
use super::connect::{Connected, Drivers, Route, connect, late, promoted};
use super::link::{Live, Report, State, Tally};
use super::repeat::{Ended, Ending, refuses, repeat, repeat_rest};
use super::sentinel::{Hint, HintKind};
use super::url::Address;
use crate::clock::jitter;
use crate::error::{Unavailable, UnavailableKind};
use crate::event::{self, Throttle};

/// The first and the longest pause between two attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));
/// How often the clock is anchored anew.
const ANCHOR_EVERY: Duration = Duration::from_secs(60);
/// The longest that an attempt under way keeps an old connection.
const RETIRE: Duration = Duration::from_secs(10);
/// A replica that was selected is watched for this long at a time.
const PROMOTION: Duration = Duration::from_millis(500);
/// So many log-outs are repeated before anyone is let onto a node; the rest beside.
const REPEATED_FIRST: usize = 500;
/// By then the rest is done.
const SETTLED: Duration = Duration::from_secs(5);
/// A new master's clock may be off by this much.
const CLOCK_OFF: Duration = Duration::from_secs(2);

pub(super) struct Resolver {
    pub(super) route: Route,
    pub(super) compass: Compass,
    pub(super) publish: watch::Sender<State>,
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) ended: Arc<Ended>,
    pub(super) tally: Arc<Tally>,
}

/// Why a connection is not to be used any more.
enum End {
    /// It is of no use.
    Broken(Unavailable),
    /// The master is elsewhere.
    Moved,
}

impl Resolver {
    pub(super) async fn run(mut self) {
        let (mut hints, mut last) = (self.compass.hints(), Last::default());
        // An old connection stays until those who are using it are done.
        let mut retired = JoinSet::new();
        let mut outage = Outage::begin(UnavailableKind::Disconnected.into(), None, None);
        loop {
            while retired.try_join_next().is_some() {}
            let connected = self.find(&mut outage, &mut hints, &mut last).await;
            let (live, mut drivers) = self.publish(connected, &outage, &mut last);
            let end = self.until_ended(&live, &mut drivers, &mut hints, &mut last).await;
            retired.spawn(async move { drop(timeout(RETIRE, drivers.all_ended()).await) });
            self.tally.reset();
            outage = match end {
                // One that comes again and again is told once; if it lasts, it is told in any case.
                End::Broken(cause) => Outage::begin(cause, Some(&last.told), self.compass.shard().as_ref()),
                End::Moved => Outage::begin(UnavailableKind::NotMaster.into(), None, None),
            };
            self.publish.send_replace(outage.state());
        }
    }

    /// Connects to the master, however long it takes.
    async fn find(&self, outage: &mut Outage, hints: &mut watch::Receiver<Option<Hint>>, last: &mut Last) -> Connected {
        let (mut pause, mut turn) = (PAUSE.0, 0);
        loop {
            let hint = hints.borrow_and_update().clone().filter(|hint| hint.guides(turn));
            turn += 1;
            let tried = tokio::select! {
                tried = self.attempt(hint.as_ref(), last) => tried,
                // It is newer than what is being tried.
                () = told(hints) => continue,
            };
            match tried {
                Ok(connected) => return connected,
                Err(cause) => self.publish.send_replace(outage.goes_on(cause, self.compass.shard().as_ref())),
            };
            self.compass.stir();
            tokio::select! {
                () = sleep(pause / 2 + jitter(pause / 2)) => pause = (pause * 2).min(PAUSE.1),
                () = told(hints) => pause = PAUSE.0,
            }
        }
    }

    async fn attempt(&self, hint: Option<&Hint>, last: &mut Last) -> Result<Connected, Unavailable> {
        let mut connected = match (hint, &self.compass) {
            (Some(Hint { address, kind: HintKind::Selected, .. }), _) => {
                let late = |_| Unavailable::from(UnavailableKind::NotMaster);
                timeout(PROMOTION, promoted(&self.route.door, address)).await.map_err(late)?;
                connect(&self.route, address).await?
            }
            (Some(Hint { address, .. }), _) => connect(&self.route, address).await?,
            (None, compass) => connect(&self.route, &compass.master(self.route.door.limit).await?).await?,
        };
        self.repeat(&mut connected, last).await?;
        Ok(connected)
    }

    /// Repeats the latest log-outs on a node that may have lost them; what is left is done once it is published.
    async fn repeat(&self, connected: &mut Connected, last: &mut Last) -> Result<(), Unavailable> {
        last.left = None;
        let known = connected.history.is_some() && connected.history == last.history;
        if known && last.since.elapsed() > SETTLED && !last.owed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let (from, mut endings) = (Instant::now(), self.ended.recent());
        endings.retain(|ending| self.compass.has(&connected.address, ending.key()));
        let mut rest = endings.split_off(endings.len().min(REPEATED_FIRST));
        let work = repeat(&endings, &mut connected.connections[0], &self.route.scripts, &self.route.clock);
        match timeout(self.route.door.limit, work).await.map_err(late).and_then(|done| done) {
            Ok(()) if endings.is_empty() => {}
            Ok(()) => event::log_outs_repeated(&connected.address, endings.len() + rest.len()),
            // The node answers and refuses, as a new master does that misses its replicas still: nobody is helped by
            // staying away from it. They are repeated when it refuses no more.
            Err(cause) if refuses(cause.kind()) => {
                event::store_refuses(&last.told, "log-outs are not repeated yet", &cause);
                endings.append(&mut rest);
                rest = endings;
            }
            Err(cause) => return Err(cause),
        }
        last.left = Some((from, rest));
        Ok(())
    }

    fn publish(&self, connected: Connected, outage: &Outage, last: &mut Last) -> (Arc<Live>, Drivers) {
        let live = Arc::new(Live::new(&connected));
        let (first, moved) = match &last.address {
            None => (true, false),
            Some(before) => (false, *before != connected.address),
        };
        if moved && connected.clock_off > CLOCK_OFF {
            event::clock_off(&connected.address, connected.clock_off);
        }
        if first || outage.told {
            event::store_up(&connected.address, outage.since.elapsed(), self.tally.read());
        } else if moved {
            event::store_switched(&connected.address);
        }
        for advice in &connected.advice {
            event::advice(&last.told, advice);
        }
        if last.history != connected.history {
            last.since = Instant::now();
        }
        (last.address, last.history) = (Some(connected.address), connected.history);
        last.beside = JoinSet::new();
        if let Some((from, rest)) = last.left.take() {
            let (ended, compass) = (self.ended.clone(), self.compass.clone());
            let late = move |live: &Live| {
                let mut endings = ended.late(from, live.generation());
                endings.retain(|ending| compass.has(live.address(), ending.key()));
                endings
            };
            last.owed.store(true, Ordering::Relaxed);
            let (live, owed) = (live.clone(), last.owed.clone());
            let (scripts, clock) = (self.route.scripts.clone(), self.route.clock.clone());
            last.beside.spawn(async move {
                // If it fails, the connection does, and all begins anew.
                if repeat_rest(live, rest, late, scripts, clock).await.is_ok() {
                    owed.store(false, Ordering::Relaxed);
                }
            });
        }
        self.publish.send_replace(State::Up(live.clone()));
        (live, connected.drivers)
    }

    /// Waits for the end of a connection, anchoring the clock now and then; why it ended.
    async fn until_ended(
        &mut self,
        live: &Arc<Live>,
        drivers: &mut Drivers,
        hints: &mut watch::Receiver<Option<Hint>>,
        last: &mut Last,
    ) -> End {
        let mut anchor = interval_at(Instant::now() + ANCHOR_EVERY, ANCHOR_EVERY);
        anchor.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut changes, mut selected) = (self.compass.changes(), JoinSet::new());
        // What came while the connection was made counts as well.
        hints.mark_changed();
        loop {
            tokio::select! {
                () = drivers.one_ended() => return End::Broken(UnavailableKind::Disconnected.into()),
                Some((generation, cause)) = self.reports.recv() => {
                    if generation == live.generation() {
                        return End::Broken(cause);
                    }
                }
                () = told(hints) => {
                    // Of two candidates the newer one is followed.
                    selected = JoinSet::new();
                    match hints.borrow_and_update().clone().filter(|hint| hint.leads_away_from(live)) {
                        Some(Hint { kind: HintKind::Switched, .. }) => return End::Moved,
                        Some(hint) => {
                            let route = self.route.clone();
                            selected.spawn(async move { promoted(&route.door, &hint.address).await });
                        }
                        None => {}
                    }
                }
                // From now on all that the old one acknowledges is lost: nobody is let onto it while we connect.
                Some(_) = selected.join_next() => return End::Moved,
                () = told(&mut changes) => {
                    if self.compass.elsewhere(live.address()) {
                        return End::Moved;
                    }
                }
                _ = anchor.tick() => {
                    while last.beside.try_join_next().is_some() {}
                    last.beside.spawn(anchor_to(live.clone(), self.route.clock.clone()));
                }
            }
        }
    }
}

async fn anchor_to(live: Arc<Live>, clock: Arc<StoreClock>) {
    if let Ok(time) = live.connection().send_packed_command(&redis::cmd("TIME")).await {
        clock.anchor_to_reply(&time);
    }
}

/// What is known of the last connection.
struct Last {
    address: Option<Address>,
    history: Option<String>,
    /// When that history was first met.
    since: Instant,
    /// Log-outs that are to be repeated beside, and since when there may be more.
    left: Option<(Instant, Vec<Ending>)>,
    /// Some were not repeated yet.
    owed: Arc<AtomicBool>,
    /// Work on the connection that ends with it.
    beside: JoinSet<()>,
    told: Throttle,
}

impl Default for Last {
    fn default() -> Self {
        let (beside, told) = (JoinSet::new(), Throttle::default());
        let owed = Arc::default();
        Self { address: None, history: None, since: Instant::now(), left: None, owed, beside, told }
    }
}
