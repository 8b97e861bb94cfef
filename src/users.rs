//! Users and their sessions: which devices are logged in, ending one or all of them, and how many there may be.
//!
//! A handler does it through its [`Session`](crate::Session); an administrator's page, a job or a command-line tool
//! through [`Users`], by user or by session. Every log-in enters its user's roster before its cookie is sent, so a list
//! is complete, and *all* means all: sessions that are used, or log in, at that very moment end too.

pub(crate) mod admission;
pub(crate) mod aftermath;
pub(crate) mod allowance;
pub(crate) mod sessions;

use std::sync::Arc;
use std::time::Duration;

use self::allowance::Allowance;
use self::sessions::{Found, Sessions};
use crate::drift::UserAgent;
use crate::error::Unavailable;
use crate::id::Handle;
use crate::record::Record;
use crate::store::roster::Roster;
use crate::store::{AnyStore, Budget, Loaded, Reason, Store, Timestamp};

pub use crate::store::{Endings, News};

/// One session of a user, as a list of devices shows it.
///
/// ```
/// use stickless::Device;
///
/// fn line(device: &Device) -> String {
///     let agent = device.user_agent().map_or("unknown".to_owned(), |agent| agent.to_string());
///     format!("{agent}, last used at {} ms since 1970", device.seen.as_millis())
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Device {
    /// The session's handle: what it is ended by.
    pub handle: Handle,
    /// Whether it is the one that asks.
    pub current: bool,
    /// The client's address that it was last seen with, as the layer keeps addresses.
    pub address: Option<String>,
    /// The `User-Agent` that it was last seen with.
    pub agent: Option<String>,
    /// When the session began.
    pub born: Timestamp,
    /// When it was last used, as precisely as sessions slide: never later than it was, and never moving backwards.
    pub seen: Timestamp,
}

impl Device {
    pub(crate) fn new(found: &Found, current: Option<Handle>) -> Self {
        let Found { member, record } = found;
        Self {
            handle: member.handle,
            current: current == Some(member.handle),
            address: record.seen.addresses.latest().map(str::to_owned),
            agent: record.seen.agents.latest().map(str::to_owned),
            born: record.born,
            seen: member.seen.max(record.born),
        }
    }
}

impl Device {
    /// Browser and platform, as far as the client says.
    ///
    /// ```
    /// fn platform(device: &stickless::Device) -> Option<String> {
    ///     device.user_agent().map(|agent| agent.platform)
    /// }
    /// ```
    pub fn user_agent(&self) -> Option<UserAgent> {
        self.agent.as_deref().map(UserAgent::parse)
    }
}

/// A session as an administrator sees it: everything but its values.
///
/// ```
/// fn line(info: &stickless::users::Info) -> String {
///     format!("{}: {} values, {} bytes, {:?} left", info.handle, info.values, info.bytes, info.expires_in)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// Its handle.
    pub handle: Handle,
    /// Who is logged in.
    pub user: Option<String>,
    /// When it began.
    pub born: Timestamp,
    /// How long it lives if it is not used again.
    pub expires_in: Duration,
    /// Its privilege changes so far, and one.
    pub generation: u32,
    /// How many values it holds.
    pub values: usize,
    /// How many bytes they take.
    pub bytes: usize,
}

impl Info {
    fn new(handle: Handle, record: &Record) -> Self {
        let size = crate::record::Size::of(record.data.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        Self {
            handle,
            user: record.user.clone(),
            born: record.born,
            expires_in: record.expires_in,
            generation: record.generation,
            values: size.fields,
            bytes: size.bytes,
        }
    }
}

/// All users' sessions, outside of a request. Its clones share the store.
///
/// ```
/// use stickless::{Users, store::MemoryStore};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
/// let store = MemoryStore::new();
/// let users = Users::new(store.clone());
/// // Alice has a new password: whoever is logged in with the old one is not any more.
/// let ended = users.end_all("alice").await?;
/// assert_eq!(ended, 0);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Users {
    store: Arc<dyn AnyStore>,
}

impl Users {
    /// On a store; on the one that the layer has, that is a clone of it.
    ///
    /// ```
    /// use stickless::{KeyRing, SessionLayer, Users, store::MemoryStore};
    ///
    /// let store = MemoryStore::new();
    /// let layer = SessionLayer::new(store.clone(), KeyRing::random()?)?;
    /// let users = Users::new(store);
    /// # Ok::<(), stickless::ConfigError>(())
    /// ```
    pub fn new(store: impl Store + Roster) -> Self {
        Self { store: Arc::new(store) }
    }

    /// The user's live sessions, the newest first.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// let users = stickless::Users::new(stickless::store::MemoryStore::new());
    /// for device in users.list("alice").await? {
    ///     println!("{}", device.handle);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store could not say.
    pub async fn list(&self, user: &str) -> Result<Vec<Device>, Unavailable> {
        let found = self.of(user).list().await?;
        Ok(devices(&found, None))
    }

    /// Ends all sessions of a user, and refuses every log-in that began before. How many there were.
    ///
    /// Also when a user is deleted: sessions know nothing of that. End them when nobody can log in as this user any more.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// let users = stickless::Users::new(stickless::store::MemoryStore::new());
    /// assert_eq!(users.end_all("alice").await?, 0);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store could not end all of them: those that are left are still listed. It can be repeated.
    pub async fn end_all(&self, user: &str) -> Result<usize, Unavailable> {
        self.of(user).end_all().await
    }

    /// Ends one session, with a user or without: whether it was there.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// let users = stickless::Users::new(stickless::store::MemoryStore::new());
    /// let handle = "47DEQpj8HBSa-_TImW-5JA".parse().expect("a handle");
    /// assert!(!users.end(handle).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store could not say.
    pub async fn end(&self, handle: Handle) -> Result<bool, Unavailable> {
        let Some(record) = self.record(handle).await? else { return Ok(false) };
        match &record.user {
            Some(user) => self.of(user).end(handle, Reason::Ended).await,
            None => self.end_anonymous(handle, record.generation).await,
        }
    }

    /// What is known of one session, without its values; none when it is not there.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stickless::Unavailable> {
    /// let users = stickless::Users::new(stickless::store::MemoryStore::new());
    /// let handle = "47DEQpj8HBSa-_TImW-5JA".parse().expect("a handle");
    /// assert_eq!(users.show(handle).await?, None);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store could not say.
    pub async fn show(&self, handle: Handle) -> Result<Option<Info>, Unavailable> {
        Ok(self.record(handle).await?.map(|record| Info::new(handle, &record)))
    }

    /// The endings of sessions on all instances, from now on.
    ///
    /// ```
    /// use stickless::{Users, store::MemoryStore, users::News};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let users = Users::new(MemoryStore::new());
    /// let mut endings = users.endings();
    /// // First of all: from here on, everything is heard.
    /// assert_eq!(endings.next().await, Some(News::Gap));
    /// # }
    /// ```
    pub fn endings(&self) -> Endings {
        self.store.endings()
    }

    fn of<'a>(&'a self, user: &'a str) -> Sessions<'a> {
        Sessions::of(&self.store, user, Allowance::after(Duration::ZERO))
    }

    async fn record(&self, handle: Handle) -> Result<Option<Box<Record>>, Unavailable> {
        match self.store.load(&[handle], &Budget::default()).await?.into_iter().next() {
            Some(Loaded::Found(record)) => Ok(Some(record)),
            Some(Loaded::Unreadable(cause)) => Err(cause),
            _ => Ok(None),
        }
    }

    async fn end_anonymous(&self, handle: Handle, generation: u32) -> Result<bool, Unavailable> {
        let (id, act) = (crate::id::WriteId::random()?, crate::store::Act::Destroy);
        let write = crate::store::Write { handle, generation, id, act };
        let outcome = self.store.apply(&write, &Budget::default()).await?;
        let ended = matches!(outcome, crate::store::Outcome::Done(_));
        if ended {
            aftermath::announce(self.store.clone(), vec![handle], Reason::Ended).await;
        }
        Ok(ended)
    }
}

/// The newest first.
pub(crate) fn devices(found: &[Found], current: Option<Handle>) -> Vec<Device> {
    let mut devices: Vec<Device> = found.iter().map(|found| Device::new(found, current)).collect();
    devices.sort_by_key(|device| (std::cmp::Reverse(device.seen), device.handle));
    devices
}
