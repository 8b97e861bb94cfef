//! The environment, its variables by name; a message names the variable and its value.

use std::collections::HashMap;
use std::ffi::OsString;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::time::Duration;

use stickless::Cap;
use stickless::store::{Durability, Unmet};

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
    pub(crate) fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
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

    pub(crate) fn parse<T: FromStr>(&self, name: &str, default: &str, reason: &str) -> Result<T, String> {
        let text = self.text(name, default);
        text.parse().map_err(|_| format!("{name} = {text}: {reason}"))
    }

    pub(crate) fn seconds(&self, name: &str, default: &str) -> Result<Duration, String> {
        self.parse(name, default, "must be whole seconds").map(Duration::from_secs)
    }

    pub(crate) fn optional_seconds(&self, name: &str) -> Result<Option<Duration>, String> {
        if self.text(name, "").is_empty() { Ok(None) } else { self.seconds(name, "").map(Some) }
    }

    pub(crate) fn millis(&self, name: &str, default: &str) -> Result<Duration, String> {
        let millis: NonZeroU64 = self.parse(name, default, "must be whole milliseconds above zero")?;
        Ok(Duration::from_millis(millis.get()))
    }

    pub(crate) fn flag(&self, name: &str, default: &str) -> Result<bool, String> {
        self.choice(name, default, &[("true", true), ("false", false)])
    }

    pub(crate) fn choice<T: Copy>(&self, name: &str, default: &str, choices: &[(&str, T)]) -> Result<T, String> {
        let text = self.text(name, default);
        let found = choices.iter().find(|(word, _)| *word == text);
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        found.map(|(_, value)| *value).ok_or_else(|| format!("{name} = {text}: must be one of {}", words.join(", ")))
    }

    /// `N:evict` or `N:refuse`; `0` is none.
    pub(crate) fn cap(&self) -> Result<Option<Cap>, String> {
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
    pub(crate) fn durability(&self) -> Result<Durability, String> {
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
}
