//! The environment as settings, each checked; a message names the variable and its value.

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::time::Duration;

use stickless::store::{Budget, Durability, MemoryStore, RedisStore, Roster, Store as _, Unmet};
use stickless::{Cap, ConfigError, KeyRing, SameSite, Secure, SessionLayer, Unavailable};

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
        env.refuse_unknown()?;
        let listen: SocketAddr = env.parse("LISTEN", "127.0.0.1:3000", "must be an address and a port")?;
        Ok(Self {
            listen,
            instance: env.text("INSTANCE", &listen.to_string()),
            log: env.choice("LOG", "text", &[("text", Log::Text), ("json", Log::Json)])?,
            store: StoreSettings {
                url: env.text("STORE", "memory"),
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
            let (store, has_keys) = (MemoryStore::new(), self.keys.is_some());
            let layer = self.build(store.clone(), keys)?;
            // Not before all is well: a refusal is the one line that is said.
            if !has_keys {
                tracing::warn!("SESSION_KEYS is not set: a random key, so no session survives a restart");
            }
            return Ok((layer, Store::Memory(store)));
        }
        let store = RedisStore::builder(&self.store.url)
            .prefix(&self.store.prefix)
            .attempts(self.store.attempts)
            .timeout(self.store.timeout)
            .budget(self.store.budget)
            .durability(self.store.durability)
            .early_switch(true)
            .build()
            .map_err(|error| named(&error))?;
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

/// Settings of features that are not built yet, with the one value that asks for nothing of them.
const NOT_YET: [(&str, &str); 1] = [("STORE_CA", "")];

/// All settings.
const NAMES: [&str; 27] = [
    "LISTEN",
    "INSTANCE",
    "STORE",
    "STORE_CA",
    "STORE_PREFIX",
    "STORE_ATTEMPTS",
    "STORE_TIMEOUT_MS",
    "STORE_BUDGET_MS",
    "DURABILITY",
    "SESSION_KEYS",
    "SESSION_IDLE",
    "SESSION_REFRESH_WITHIN",
    "SESSION_ABSOLUTE",
    "SESSION_IDLE_ANONYMOUS",
    "SESSION_CAP",
    "COOKIE_NAME",
    "COOKIE_DOMAIN",
    "COOKIE_PATH",
    "COOKIE_HTTP_ONLY",
    "COOKIE_PARTITIONED",
    "COOKIE_SECURE",
    "COOKIE_SAME_SITE",
    "COOKIE_PERSISTENT",
    "CLIENT_IP_SOURCE",
    "TRUSTED_PROXIES",
    "DRIFT",
    "LOG",
];

/// Environment variables; an empty one counts as not set.
pub(crate) struct Environment(HashMap<&'static str, String>);

impl Environment {
    fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let mut values = HashMap::new();
        for name in NAMES {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else { continue };
            let value = value.into_string().map_err(|_| format!("{name} = …: must be UTF-8"))?;
            values.insert(name, value);
        }
        Ok(Self(values))
    }

    pub(crate) fn text(&self, name: &str, default: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| default.to_owned())
    }

    fn parse<T: FromStr>(&self, name: &str, default: &str, reason: &str) -> Result<T, String> {
        let text = self.text(name, default);
        text.parse().map_err(|_| format!("{name} = {text}: {reason}"))
    }

    fn seconds(&self, name: &str, default: &str) -> Result<Duration, String> {
        self.parse(name, default, "must be whole seconds").map(Duration::from_secs)
    }

    fn optional_seconds(&self, name: &str) -> Result<Option<Duration>, String> {
        if self.text(name, "").is_empty() { Ok(None) } else { self.seconds(name, "").map(Some) }
    }

    fn millis(&self, name: &str, default: &str) -> Result<Duration, String> {
        let millis: NonZeroU64 = self.parse(name, default, "must be whole milliseconds above zero")?;
        Ok(Duration::from_millis(millis.get()))
    }

    fn flag(&self, name: &str, default: &str) -> Result<bool, String> {
        self.choice(name, default, &[("true", true), ("false", false)])
    }

    pub(crate) fn choice<T: Copy>(&self, name: &str, default: &str, choices: &[(&str, T)]) -> Result<T, String> {
        let text = self.text(name, default);
        let found = choices.iter().find(|(word, _)| *word == text);
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        found.map(|(_, value)| *value).ok_or_else(|| format!("{name} = {text}: must be one of {}", words.join(", ")))
    }

    /// `N:evict` or `N:refuse`; `0` is none.
    fn cap(&self) -> Result<Option<Cap>, String> {
        let text = self.text("SESSION_CAP", "0");
        let (most, policy) = text.split_once(':').unwrap_or((&text, ""));
        match (most.parse(), policy) {
            (Ok(0_u32), "") => Ok(None),
            (Ok(most @ 1..), "evict") => Ok(Some(Cap::Evict(most))),
            (Ok(most @ 1..), "refuse") => Ok(Some(Cap::Refuse(most))),
            _ => Err(format!("SESSION_CAP = {text}: must be 0, N:evict or N:refuse")),
        }
    }

    /// `async`, or `replicas:N:MS`: log-ins, log-outs and explicit saves wait for so many replicas so long, or are answered
    /// 503. All other writes wait as well, but go on where replicas are away.
    fn durability(&self) -> Result<Durability, String> {
        let text = self.text("DURABILITY", "async");
        let refused = || format!("DURABILITY = {text}: must be async or replicas:N:MS, with N and MS above zero");
        if text == "async" {
            return Ok(Durability::asynchronous());
        }
        if self.text("STORE", "memory") == "memory" {
            return Err(format!("DURABILITY = {text}: must be async when STORE is memory, which has no replicas"));
        }
        let (count, limit) =
            text.strip_prefix("replicas:").and_then(|rest| rest.split_once(':')).ok_or_else(refused)?;
        let count = count.parse::<NonZeroU32>().map_err(|_| refused())?.get();
        let limit = Duration::from_millis(limit.parse::<NonZeroU64>().map_err(|_| refused())?.get());
        Ok(Durability::replicas(count, limit).all_writes(Unmet::Tell))
    }

    fn refuse_unknown(&self) -> Result<(), String> {
        for (name, nothing) in NOT_YET {
            let value = self.text(name, nothing);
            if value != nothing {
                return Err(format!("{name} = {value}: is not known to this version"));
            }
        }
        Ok(())
    }
}

/// The library's error under the variable's name.
pub(crate) fn named(error: &ConfigError) -> String {
    let name = match error.setting() {
        "store" => "STORE",
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
