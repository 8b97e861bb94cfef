//! Pages for people: one document with its style and script in it, and nothing from elsewhere.

use std::time::Duration;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stickless::{Origin, SameSite, Secure, Session, State, Unavailable};

use crate::settings::{CookieSettings, SessionSettings, Settings};

const DOCUMENT: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
/// One module: what is seen, then what the user does.
const SCRIPT: &str = concat!(include_str!("page/view.js"), "\n", include_str!("page/acts.js"));

/// What the page shows of this instance, whoever asks.
pub(crate) struct Page {
    pub(crate) instance: String,
    session: SessionSettings,
    cookie: CookieSettings,
    policy: HeaderValue,
}

impl Page {
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        // No frame-ancestors: who frames this page sees, by the cookie's SameSite, whether a session comes along.
        let policy = format!(
            "default-src 'none'; connect-src 'self'; img-src data:; style-src {}; script-src {}; base-uri 'none'; \
             form-action 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        Ok(Self {
            instance: settings.instance.clone(),
            session: settings.session.clone(),
            cookie: settings.cookie.clone(),
            policy: HeaderValue::try_from(policy).map_err(|error| format!("page: {error}"))?,
        })
    }

    /// The page with what the session holds.
    pub(crate) fn index(&self, session: &Session, data: &Value, origin: &Origin) -> Response {
        let expires = session.expires_in().map(|left| left.as_millis().to_string());
        let html = self.fill(origin, |name| match name {
            "available" => "true".to_owned(),
            "state" => state_name(session.state()).to_owned(),
            "user" => session.user().unwrap_or_default(),
            "count" => session.get::<i64>("n").ok().flatten().unwrap_or(0).to_string(),
            "expires" => expires.clone().unwrap_or_default(),
            "values" => data.to_string(),
            _ => String::new(),
        });
        ([(CONTENT_SECURITY_POLICY, self.policy.clone())], Html(html)).into_response()
    }

    /// The same page while the store is away: it says so, and waits for it.
    pub(crate) fn unavailable(&self, cause: Unavailable, origin: &Origin) -> Response {
        let html = self.fill(origin, |name| match name {
            "available" => "false".to_owned(),
            "state" => "unknown".to_owned(),
            "values" => json!({}).to_string(),
            _ => String::new(),
        });
        let (status, mut headers): (StatusCode, HeaderMap) = {
            let refusal = cause.into_response();
            (refusal.status(), refusal.headers().clone())
        };
        headers.remove(CONTENT_TYPE);
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        (status, headers, Html(html)).into_response()
    }

    /// Puts values in place of `{{name}}`, in one pass, so that no value is looked at for names.
    fn fill(&self, origin: &Origin, of_session: impl Fn(&str) -> String) -> String {
        let session = &self.session;
        let seconds = |duration: Duration| duration.as_secs().to_string();
        let refresh = session.refresh_within.map_or(0.8, |within| within.as_secs_f64() / session.idle.as_secs_f64());
        let mut parts = DOCUMENT.split("{{");
        let mut html = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
            match name {
                "style" => html.push_str(STYLE),
                "script" => html.push_str(SCRIPT),
                "cookie" => html.push_str(&attributes(&self.cookie, origin)),
                "cookie-name" => html.push_str(&escape(&self.cookie.name)),
                "instance" => html.push_str(&escape(&self.instance)),
                "idle" => html.push_str(&seconds(session.idle)),
                "anonymous" => html.push_str(&seconds(session.idle_anonymous.unwrap_or(session.idle))),
                "refresh" => html.push_str(&refresh.to_string()),
                other => html.push_str(&escape(&of_session(other))),
            }
            html.push_str(rest);
        }
        html
    }
}

pub(crate) fn state_name(state: State) -> &'static str {
    match state {
        State::New => "new",
        State::Live => "live",
        State::Stale | State::Ended(_) => "stale",
    }
}

pub(crate) fn greeting(instance: &str, user: Option<&str>) -> String {
    let (instance, user) = (escape(instance), escape(user.unwrap_or("stranger")));
    format!("<!doctype html><html lang=en><meta charset=utf-8><title>{instance}</title><p>Hello, {user}.\n")
}

/// The cookie's attributes, each with what a browser makes of it.
fn attributes(cookie: &CookieSettings, origin: &Origin) -> String {
    let secure = match cookie.secure {
        Secure::Always => true,
        Secure::Auto => origin.https,
        Secure::Never => false,
    };
    let (same_site, from_elsewhere) = match cookie.same_site {
        SameSite::Lax => ("SameSite=Lax", "comes with links from other sites, not with their forms and frames"),
        SameSite::Strict => ("SameSite=Strict", "comes with nothing that begins on another site"),
        SameSite::None => ("SameSite=None", "comes with requests from all sites"),
    };
    let path = format!("Path={}", cookie.path);
    let domain = domain(&cookie.domains, origin.host.as_deref()).map(|domain| format!("Domain={domain}"));
    let rows = [
        if cookie.http_only { ("HttpOnly", "no script can read it") } else { ("no HttpOnly", "scripts can read it") },
        if secure { ("Secure", "travels over https only") } else { ("no Secure", "travels over plain http too") },
        (same_site, from_elsewhere),
        match &domain {
            Some(domain) => (domain, "shared with the hosts below it"),
            None => ("no Domain", "for this host alone"),
        },
        (&path, if cookie.path == "/" { "for the whole host" } else { "for what is below this path" }),
        if cookie.persistent {
            ("Max-Age", "kept for as long as the session can live")
        } else {
            ("no Max-Age", "gone when the browser closes")
        },
    ];
    let partitioned = cookie.partitioned.then_some(("Partitioned", "another one under each site that frames this one"));
    let row = |(attribute, meaning): (&str, &str)| {
        format!("<li><code>{}</code> <span class=\"grow\">{}</span></li>", escape(attribute), escape(meaning))
    };
    rows.into_iter().chain(partitioned).map(row).collect()
}

/// Of several the longest that covers the host; one is sent to every host.
fn domain<'a>(domains: &'a [String], host: Option<&str>) -> Option<&'a str> {
    let covers = |domain: &&str| {
        let rest = host.and_then(|host| host.strip_suffix(domain));
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    match domains {
        [one] => Some(one),
        several => several.iter().map(String::as_str).filter(covers).max_by_key(|domain| domain.len()),
    }
}

/// A source of the content security policy: this very text.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

fn escape(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '&' => "&amp;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => "&#39;".to_owned(),
            other => other.to_string(),
        })
        .collect()
}
