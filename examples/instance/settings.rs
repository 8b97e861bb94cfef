//! The environment as settings, each checked.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use stickless::store::{Budget, Durability, MemoryStore, Pem, RedisStore, Roster, Store as _, Tls};
use stickless::{Cap, ConfigError, KeyRing, SameSite, Secure, SessionLayer, Unavailable};

use crate::environment::Environment;
use crate::proxies::Proxies;

pub(crate) struct Settings {
    pub(crate) listen: SocketAddr,
    pub(crate) instance: String,
    pub(crate) log: Log,
    store: StoreSettings,
    pub(crate) session: SessionSettings,
    pub(crate) cookie: CookieSettings,
    keys: Option<String>,
    proxies: Proxies,
    drift: bool,
}

struct StoreSettings {
    url: String,
    ca: Option<String>,
    prefix: String,
    attempts: u32,
    timeout: Duration,
    budget: Duration,
    durability: Durability,
}

#[derive(Clone)]
pub(crate) struct SessionSettings {
    pub(crate) idle: Duration,
    pub(crate) refresh_within: Option<Duration>,
    pub(crate) idle_anonymous: Option<Duration>,
    absolute: Option<Duration>,
    pub(crate) cap: Option<Cap>,
}

#[derive(Clone)]
pub(crate) struct CookieSettings {
    pub(crate) name: String,
    pub(crate) domains: Vec<String>,
    pub(crate) path: String,
    pub(crate) http_only: bool,
    pub(crate) partitioned: bool,
    pub(crate) secure: Secure,
    pub(crate) same_site: SameSite,
    pub(crate) persistent: bool,
}

#[derive(Clone, Copy)]
pub(crate) enum Log {
    Text,
    Json,
}

/// The store, to ask whether it answers.
#[derive(Clone)]
pub(crate) enum Store {
    Memory(MemoryStore),
    Redis(RedisStore),
}

impl Settings {
    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let env = Environment::read(variable)?;
        let listen: SocketAddr = env.parse("LISTEN", "127.0.0.1:3000", "must be an address and a port")?;
        Ok(Self {
            listen,
            instance: env.text("INSTANCE", &listen.to_string()),
            log: env.choice("LOG", "text", &[("text", Log::Text), ("json", Log::Json)])?,
            store: StoreSettings {
                url: env.text("STORE", "memory"),
                ca: Some(env.text("STORE_CA", "")).filter(|path| !path.is_empty()),
                prefix: env.text("STORE_PREFIX", "stickless:"),
                attempts: env.parse::<NonZeroU32>("STORE_ATTEMPTS", "3", "must be a whole number above zero")?.get(),
                timeout: env.millis("STORE_TIMEOUT_MS", "250")?,
                budget: env.millis("STORE_BUDGET_MS", "1000")?,
                durability: env.durability()?,
            },
            keys: Some(env.text("SESSION_KEYS", "")).filter(|keys| !keys.is_empty()),
            session: SessionSettings {
                idle: env.seconds("SESSION_IDLE", "3600")?,
                refresh_within: env.optional_seconds("SESSION_REFRESH_WITHIN")?,
                absolute: env.optional_seconds("SESSION_ABSOLUTE")?.filter(|limit| !limit.is_zero()),
                idle_anonymous: env.optional_seconds("SESSION_IDLE_ANONYMOUS")?.filter(|limit| !limit.is_zero()),
                cap: env.cap()?,
            },
            cookie: CookieSettings::read(&env)?,
            proxies: Proxies::read(&env)?,
            drift: env.choice("DRIFT", "on", &[("on", true), ("off", false)])?,
        })
    }

    /// The layer on the store.
    pub(crate) fn layer(self) -> Result<(SessionLayer, Store), String> {
        let keys = self.keys()?;
        if self.store.url == "memory" {
            if let Some(ca) = &self.store.ca {
                return Err(format!("STORE_CA = {ca}: is of no use: STORE is memory"));
            }
            let (store, has_keys) = (MemoryStore::new(), self.keys.is_some());
            let layer = self.build(store.clone(), keys)?;
            // Not before all is well: a refusal is the one line that is said.
            if !has_keys {
                tracing::warn!("SESSION_KEYS is not set: a random key, so no session survives a restart");
            }
            return Ok((layer, Store::Memory(store)));
        }
        let mut store = RedisStore::builder(&self.store.url)
            .prefix(&self.store.prefix)
            .attempts(self.store.attempts)
            .timeout(self.store.timeout)
            .budget(self.store.budget)
            .durability(self.store.durability)
            .early_switch(true);
        if let Some(ca) = &self.store.ca {
            store = store.tls(Tls::default().ca(Pem::file(ca)));
        }
        let store = store.build().map_err(|error| named(&error))?;
        Ok((self.build(store.clone(), keys)?, Store::Redis(store)))
    }

    fn keys(&self) -> Result<KeyRing, String> {
        match &self.keys {
            Some(keys) => KeyRing::parse(keys).map_err(|error| named(&error)),
            None if self.store.url == "memory" => KeyRing::random().map_err(|error| named(&error)),
            None => Err("SESSION_KEYS = : must be set and the same on all instances when STORE is not memory".into()),
        }
    }

    fn build(self, store: impl stickless::store::Store + Roster, keys: KeyRing) -> Result<SessionLayer, String> {
        let (session, cookie) = (self.session, self.cookie);
        let mut builder = SessionLayer::builder(store, keys)
            .idle(session.idle)
            .absolute(session.absolute)
            .idle_anonymous(session.idle_anonymous)
            .cap(session.cap)
            .cookie_name(cookie.name)
            .cookie_path(cookie.path)
            .cookie_http_only(cookie.http_only)
            .cookie_partitioned(cookie.partitioned)
            .cookie_secure(cookie.secure)
            .cookie_same_site(cookie.same_site)
            .cookie_persistent(cookie.persistent)
            .trust(self.proxies.trust())
            .drift(self.drift)
            .instance(self.instance);
        builder = match <[String; 1]>::try_from(cookie.domains) {
            Ok([domain]) => builder.cookie_domain(domain),
            Err(domains) => builder.cookie_domains(domains),
        };
        if let Some(within) = session.refresh_within {
            builder = builder.refresh_within(within);
        }
        let layer = builder.build().map_err(|error| named(&error))?;
        // Not before all is well: a refusal is the one line that is said.
        self.proxies.tell_unread();
        Ok(layer)
    }
}

impl CookieSettings {
    fn read(env: &Environment) -> Result<Self, String> {
        let domains = env.text("COOKIE_DOMAIN", "");
        let domains = domains.split(',').filter(|_| !domains.is_empty()).map(|domain| domain.trim().to_owned());
        let secure = [("always", Secure::Always), ("auto", Secure::Auto), ("never", Secure::Never)];
        let same_site = [("lax", SameSite::Lax), ("strict", SameSite::Strict), ("none", SameSite::None)];
        Ok(Self {
            name: env.text("COOKIE_NAME", "sid"),
            domains: domains.collect(),
            path: env.text("COOKIE_PATH", "/"),
            http_only: env.flag("COOKIE_HTTP_ONLY", "true")?,
            partitioned: env.flag("COOKIE_PARTITIONED", "false")?,
            secure: env.choice("COOKIE_SECURE", "auto", &secure)?,
            same_site: env.choice("COOKIE_SAME_SITE", "lax", &same_site)?,
            persistent: env.flag("COOKIE_PERSISTENT", "true")?,
        })
    }
}

impl Log {
    pub(crate) fn start(self) {
        let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
        match self {
            Self::Text => log.init(),
            Self::Json => log.json().flatten_event(true).init(),
        }
    }
}

impl Store {
    pub(crate) async fn ping(&self) -> Result<(), Unavailable> {
        match self {
            Self::Memory(store) => store.ping(&Budget::default()).await,
            Self::Redis(store) => store.ping(&Budget::default()).await,
        }
    }
}

/// The library's error under the variable's name.
pub(crate) fn named(error: &ConfigError) -> String {
    let name = match error.setting() {
        "store" => "STORE",
        "ca" => "STORE_CA",
        "prefix" => "STORE_PREFIX",
        "attempts" => "STORE_ATTEMPTS",
        "timeout" => "STORE_TIMEOUT_MS",
        "budget" => "STORE_BUDGET_MS",
        "durability" => "DURABILITY",
        "keys" => "SESSION_KEYS",
        "idle" => "SESSION_IDLE",
        "refresh_within" => "SESSION_REFRESH_WITHIN",
        "absolute" => "SESSION_ABSOLUTE",
        "idle_anonymous" => "SESSION_IDLE_ANONYMOUS",
        "cap" => "SESSION_CAP",
        "cookie_name" => "COOKIE_NAME",
        "cookie_path" => "COOKIE_PATH",
        "cookie_domain" => "COOKIE_DOMAIN",
        "cookie_same_site" => "COOKIE_SAME_SITE",
        "cookie_partitioned" => "COOKIE_PARTITIONED",
        "trust" => "TRUSTED_PROXIES",
        other => other,
    };
    format!("{name} = {}", error.reason())
}
