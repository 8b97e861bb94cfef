//! One handle in a store, and writes to it in few words.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::store::{
    Act, Add, Apply, Budget, Change, Changed, Create, Delta, Done, Intent, Loaded, Note, Outcome, Record, Sighting,
    Store, Timestamp, Write, WriteId,
};
use crate::{Handle, Limits, Unavailable};
use tokio::time::Instant;

pub const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub struct Subject<'a, S> {
    pub store: &'a S,
    pub handle: Handle,
}

impl<'a, S: Store> Subject<'a, S> {
    /// A handle that nothing is kept under.
    pub fn new(store: &'a S) -> Self {
        Self { store, handle: new_handle() }
    }

    /// A record of generation 1 with these data.
    pub async fn with(store: &'a S, data: &[(&str, &str)]) -> Self {
        Self::created(store, create(data)).await
    }

    /// A record of generation 1.
    pub async fn created(store: &'a S, create: Create) -> Self {
        let subject = Self::new(store);
        done(&subject.act(1, Act::Create(create)).await);
        subject
    }

    /// A record of this generation with these data.
    pub async fn of_generation(store: &'a S, generation: u32, data: &[(&str, &str)]) -> Self {
        let subject = Self::new(store);
        done(&subject.act(generation, Act::Create(create(data))).await);
        subject
    }

    pub fn write(&self, generation: u32, act: Act) -> Write {
        Write { handle: self.handle, generation, id: WriteId::random().expect("random numbers"), act }
    }

    pub async fn try_send(&self, write: &Write) -> Result<Outcome, Unavailable> {
        self.store.apply(write, &Budget::default()).await
    }

    pub async fn send(&self, write: &Write) -> Outcome {
        self.try_send(write).await.expect("the store answers")
    }

    pub async fn try_act(&self, generation: u32, act: Act) -> Result<Outcome, Unavailable> {
        self.try_send(&self.write(generation, act)).await
    }

    pub async fn act(&self, generation: u32, act: Act) -> Outcome {
        self.send(&self.write(generation, act)).await
    }

    pub async fn apply(&self, generation: u32, apply: Apply) -> Outcome {
        self.act(generation, Act::Apply(apply)).await
    }

    pub async fn try_load(&self) -> Result<Loaded, Unavailable> {
        let loaded = self.store.load(&[self.handle], &Budget::default()).await?;
        match <[Loaded; 1]>::try_from(loaded).expect("one answer") {
            [Loaded::Unreadable(cause)] => Err(cause),
            [loaded] => Ok(loaded),
        }
    }

    pub async fn load(&self) -> Loaded {
        self.try_load().await.expect("the store answers")
    }

    pub async fn record(&self) -> Record {
        match self.load().await {
            Loaded::Found(record) => *record,
            other => panic!("no record but {other:?}"),
        }
    }

    /// The record without what time alone changes, to compare it with a later one.
    pub async fn settled(&self) -> Record {
        Record { expires_in: Duration::ZERO, ..self.record().await }
    }

    pub async fn data(&self) -> BTreeMap<String, String> {
        self.record().await.data
    }
}

/// Each call another.
pub fn new_handle() -> Handle {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    // 22 characters of base64url; the last one carries two bits only.
    format!("{number:021}A").parse().expect("a handle")
}

pub fn map(data: &[(&str, &str)]) -> BTreeMap<String, String> {
    data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// For an hour, without a user.
pub fn create(data: &[(&str, &str)]) -> Create {
    let seen = Sighting::default();
    Create { user: None, membership: None, idle: (HOUR, false), absolute: None, seen, data: map(data) }
}

/// Of a user, for an hour.
pub fn create_for(user: &str, data: &[(&str, &str)]) -> Create {
    Create { user: Some(user.to_owned()), ..create(data) }
}

/// A change that changes nothing.
pub fn keep() -> Apply {
    Apply { delta: Delta::default(), add: None, expect: None, intent: Intent::Keep, limits: Limits::default() }
}

pub fn changes<'a>(changes: impl IntoIterator<Item = (&'a str, Change)>) -> Apply {
    let changes = changes.into_iter().map(|(key, change)| (key.to_owned(), change)).collect();
    Apply { delta: Delta { changes, ..Delta::default() }, ..keep() }
}

pub fn set(key: &str, value: &str) -> Apply {
    changes([(key, Change::Set(value.to_owned()))])
}

pub fn remove(key: &str) -> Apply {
    changes([(key, Change::Remove)])
}

pub fn take(key: &str, value: &str) -> Apply {
    changes([(key, Change::Take(value.to_owned()))])
}

pub fn clear() -> Apply {
    Apply { delta: Delta { clear: true, ..Delta::default() }, ..keep() }
}

pub fn live_for(life: Duration) -> Apply {
    Apply { delta: Delta { life: Some(life), ..Delta::default() }, ..keep() }
}

pub fn add(key: &str, by: i64) -> Apply {
    Apply { add: Some(Add { key: key.to_owned(), by }), ..keep() }
}

pub fn if_has(key: &str, expected: Option<&str>, apply: Apply) -> Apply {
    Apply { expect: Some((key.to_owned(), expected.map(str::to_owned))), ..apply }
}

pub fn rotate() -> Apply {
    Apply { intent: Intent::Rotate, ..keep() }
}

pub fn log_in(user: &str) -> Apply {
    log_in_for(user, HOUR, None)
}

pub fn log_in_for(user: &str, idle: Duration, absolute: Option<Duration>) -> Apply {
    let intent = Intent::LogIn { user: user.to_owned(), idle, absolute, reissue: true, membership: None };
    Apply { intent, ..keep() }
}

pub fn slide(within: Duration) -> Act {
    Act::Slide { within, seen: None }
}

#[track_caller]
pub fn done(outcome: &Outcome) -> Done {
    match outcome {
        Outcome::Done(done) => *done,
        other => panic!("not done but {other:?}"),
    }
}

/// The whole life that a write gave is left, but for the time since the write was sent.
#[track_caller]
pub fn assert_whole(record: &Record, life: Duration, sent: Instant) {
    let least = life.saturating_sub(sent.elapsed() + CLOCKS);
    assert!(record.expires_in >= least && record.expires_in <= life, "{life:?} {record:?}");
}

/// What two clocks may differ by in a short while, and a store rounds off.
pub const CLOCKS: Duration = Duration::from_millis(5);

/// What a write that was done says, but for the time.
#[track_caller]
pub fn told(outcome: &Outcome) -> (u32, Option<Timestamp>, Option<i64>) {
    let done = done(outcome);
    (done.generation, done.end, done.value)
}

/// A slide that notes what the session was seen with, and a return to something known after an hour.
pub fn see(address: Option<&str>, agent: Option<&str>) -> Act {
    see_again(address, agent, HOUR)
}

pub fn see_again(address: Option<&str>, agent: Option<&str>, again_after: Duration) -> Act {
    let sighting = sighting(address, agent);
    Act::Slide { within: Duration::ZERO, seen: Some(Note { sighting, again_after, returns: 0 }) }
}

pub fn sighting(address: Option<&str>, agent: Option<&str>) -> Sighting {
    Sighting { address: address.map(str::to_owned), agent: agent.map(str::to_owned) }
}

/// What was new to a write, as "what it was before #times" of the address and of the agent.
#[track_caller]
pub fn news(outcome: &Outcome) -> [String; 2] {
    let short = |changed: &Option<Changed>| {
        changed.as_ref().map(|changed| format!("{} #{}", changed.from, changed.times)).unwrap_or_default()
    };
    match outcome {
        Outcome::Done(_) => Default::default(),
        Outcome::Drifted(_, drifted) => [short(&drifted.address), short(&drifted.agent)],
        other => panic!("not done but {other:?}"),
    }
}
