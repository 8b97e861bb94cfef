//! A user: a client with the cookies of one origin.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::Method;

use super::http::{Answer, Client, Request};

/// Stores `name=value` of each `Set-Cookie`, drops it at `Max-Age=0`, sends what it has at the time of sending.
///
/// Requests may run side by side, as in a browser: each answer's cookies are stored as it arrives. It looks at no
/// other attribute; what a real browser makes of them is tested with one. Clones are tabs of one browser.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    client: Client,
    origin: String,
    jar: Arc<Mutex<Jar>>,
}

impl Browser {
    /// `origin` as in `http://127.0.0.1:3000`.
    pub(crate) fn new(origin: impl Into<String>) -> Self {
        Self { client: Client::new(), origin: origin.into(), jar: Arc::default() }
    }

    /// The same cookies at another address of the same application, such as one instance.
    pub(crate) fn at(&self, origin: impl Into<String>) -> Self {
        Self { origin: origin.into(), ..self.clone() }
    }

    pub(crate) fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> Request {
        let url = format!("{}{path}", self.origin);
        self.client.request(method, url).with_jar(&self.jar)
    }

    /// What would be sent now, as in `sid=…`; `None` without cookies.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner).cookie()
    }

    /// As if an answer had set `name=value`.
    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        let mut jar = self.jar.lock().unwrap_or_else(PoisonError::into_inner);
        jar.cookies.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn forget(&self) {
        let mut jar = self.jar.lock().unwrap_or_else(PoisonError::into_inner);
        jar.cookies.clear();
    }
}

#[derive(Debug, Default)]
pub(super) struct Jar {
    cookies: BTreeMap<String, String>,
}

impl Jar {
    pub(super) fn cookie(&self) -> Option<String> {
        let pairs = self.cookies.iter();
        let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    pub(super) fn take_in(&mut self, answer: &Answer) {
        for line in answer.set_cookies() {
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let removes = parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0"));
            if removes {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
