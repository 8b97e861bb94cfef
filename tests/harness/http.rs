//! A small HTTP/1.1 client that shows what is on the wire and interprets nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use super::browser::Jar;
use super::error::{Error, Result, or_panic};

/// Clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new() -> Self {
        let pool = Pool::builder(TokioExecutor::new()).build_http();
        Self { pool }
    }

    pub(crate) fn get(&self, url: impl Into<String>) -> Request {
        self.request(Method::GET, url)
    }

    pub(crate) fn post(&self, url: impl Into<String>) -> Request {
        self.request(Method::POST, url)
    }

    pub(crate) fn request(&self, method: Method, url: impl Into<String>) -> Request {
        Request {
            client: self.clone(),
            method,
            url: url.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            jar: None,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Request {
    client: Client,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
    jar: Option<Arc<Mutex<Jar>>>,
}

impl Request {
    /// Adds a header line; any bytes that HTTP lets pass, also those that are not UTF-8. `Host` replaces ours.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.as_ref());
        let (Ok(name), Ok(value)) = (name, value) else {
            panic!("no header can be made of these bytes");
        };
        self.headers.append(name, value);
        self
    }

    /// Adds a `Cookie` line such as `sid=…`.
    pub(crate) fn cookie(self, cookie: impl AsRef<[u8]>) -> Self {
        self.header(COOKIE.as_str(), cookie)
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The answer, whatever its status; panics where there is none.
    pub(crate) async fn send(self) -> Answer {
        or_panic(self.try_send().await)
    }

    /// An error for a connection that is refused or broken, and after thirty seconds.
    pub(crate) async fn try_send(self) -> Result<Answer> {
        const LIMIT: Duration = Duration::from_secs(30);
        let what = format!("{} {}", self.method, self.url);
        match timeout(LIMIT, self.exchange(&what)).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::silent(&what, LIMIT, Vec::new())),
        }
    }

    async fn exchange(self, what: &str) -> Result<Answer> {
        let failed = |error: &dyn std::error::Error| {
            let cause = error.source().map(|cause| format!(": {cause}"));
            Error::new(format!("{what}: {error}{}", cause.unwrap_or_default()))
        };
        let mut request = http::Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.url.parse().map_err(|error| failed(&error))?;
        *request.headers_mut() = self.headers;
        if let Some(jar) = &self.jar {
            let jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
            let cookie = jar.cookie().and_then(|cookie| HeaderValue::try_from(cookie).ok());
            request.headers_mut().extend(cookie.map(|cookie| (COOKIE, cookie)));
        }
        let answer = self.client.pool.request(request).await.map_err(|error| failed(&error))?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(|error| failed(&error))?;
        let answer = Answer { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() };
        if let Some(jar) = &self.jar {
            let mut jar = jar.lock().unwrap_or_else(PoisonError::into_inner);
            jar.take_in(&answer);
        }
        Ok(answer)
    }

    pub(super) fn with_jar(mut self, jar: &Arc<Mutex<Jar>>) -> Self {
        self.jar = Some(Arc::clone(jar));
        self
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Panics with the whole answer where the body is not JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error} in {self:?}"),
        }
    }

    /// The value of a header's first line; bytes that are not UTF-8 are replaced.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Every `Set-Cookie` line, in order.
    pub(crate) fn set_cookies(&self) -> Vec<String> {
        let lines = self.headers.get_all(SET_COOKIE).iter();
        lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect()
    }
}
