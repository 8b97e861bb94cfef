//! What an operator is told, one function for each thing. No event carries an id, a key, a cookie or a value.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::drift::{Drift, printable};
use crate::error::Unavailable;
#[cfg(feature = "redis")]
use crate::error::UnavailableKind;
use crate::id::Handle;
use crate::proxy::Peer;
#[cfg(feature = "redis")]
use crate::store::{Address, Advice};

/// A cause is told again after this long, if it lasts.
const AGAIN: Duration = Duration::from_secs(60);

/// Tells each thing once a minute at most: a line for a cause, not for a request.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<Vec<(&'static str, Instant)>>);

impl Throttle {
    fn may_tell(&self, what: &'static str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match told.iter_mut().find(|(known, _)| *known == what) {
            Some((_, at)) if at.elapsed() < AGAIN => return false,
            Some((_, at)) => *at = Instant::now(),
            None => told.push((what, Instant::now())),
        }
        true
    }

    /// Tells this one thing once, however long it lasts.
    fn is_first(&self, what: &'static str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = told.iter().all(|(known, _)| *known != what);
        if first {
            told.push((what, Instant::now()));
        }
        first
    }
}

/// The store answers, but not what it was asked: it is busy, refuses writes, or denies access. `code` is its own word.
#[cfg(feature = "redis")]
pub(crate) fn store_refuses(throttle: &Throttle, code: &'static str, cause: &Unavailable) {
    if throttle.may_tell(code) {
        tracing::error!(event = "store_refuses", cause = %cause, source = %source(cause), "session store: {cause}");
    }
}

/// The store cannot be reached, or this one of its masters. Told once for each time it goes down.
#[cfg(feature = "redis")]
pub(crate) fn store_down(cause: &Unavailable, node: Option<&Address>) {
    let node = node.map(tracing::field::display);
    tracing::error!(event = "store_down", node, cause = %cause, source = %source(cause), "session store: {cause}");
}

/// A connection to the store was lost. Whether it was told: once a minute for each cause, for the next connection may
/// be there at once.
#[cfg(feature = "redis")]
pub(crate) fn store_lost(throttle: &Throttle, cause: &Unavailable, node: Option<&Address>) -> bool {
    let tell = throttle.may_tell(match cause.kind() {
        UnavailableKind::TimedOut => "timed out",
        UnavailableKind::NotMaster => "not the master",
        _ => "lost",
    });
    if tell {
        store_down(cause, node);
    }
    tell
}

/// The store can be reached, after so long. With how many calls failed meanwhile, and how many attempts were repeated.
#[cfg(feature = "redis")]
pub(crate) fn store_up(node: &Address, after: Duration, (failed, retried): (u64, u64)) {
    let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(event = "store_up", %node, after_ms, failed, retried, "session store: connected");
}

/// The master is another node, and hardly anyone had to wait for it.
#[cfg(feature = "redis")]
pub(crate) fn store_switched(node: &Address) {
    tracing::info!(event = "store_switched", %node, "session store: the master is another node");
}

/// Fewer or more Sentinels answer than before. With what is the matter with one that does not.
#[cfg(feature = "redis")]
pub(crate) fn sentinels(answer: usize, all: usize, source: &str) {
    if answer == 0 {
        tracing::error!(
            event = "sentinels",
            answer,
            all,
            source,
            "session store: no Sentinel answers, no failover will be noticed"
        );
    } else if answer < all {
        tracing::warn!(event = "sentinels", answer, all, source, "session store: {answer} of {all} Sentinels answer");
    } else {
        tracing::info!(event = "sentinels", answer, all, "session store: all {all} Sentinels answer");
    }
}

/// A new master tells another time than the old one: all sessions live longer or shorter by that.
#[cfg(feature = "redis")]
pub(crate) fn clock_off(node: &Address, off: Duration) {
    let off_ms = u64::try_from(off.as_millis()).unwrap_or(u64::MAX);
    tracing::warn!(event = "clock_off", %node, off_ms, "session store: the new master's clock is off");
}

/// Log-outs that a node may have lost were repeated on it.
#[cfg(feature = "redis")]
pub(crate) fn log_outs_repeated(node: &Address, count: usize) {
    tracing::info!(event = "log_outs_repeated", %node, count, "session store: the latest log-outs were repeated");
}

/// Writes waited for replicas in vain: so many are wanted.
#[cfg(feature = "redis")]
pub(crate) fn too_few_replicas(throttle: &Throttle, wanted: u32) {
    if throttle.may_tell("too_few_replicas") {
        tracing::warn!(
            event = "too_few_replicas",
            wanted,
            "session store: fewer than {wanted} replicas have the latest writes in time"
        );
    }
}

/// A setting of the server that logs users out.
#[cfg(feature = "redis")]
pub(crate) fn advice(throttle: &Throttle, advice: &Advice) {
    match advice {
        Advice::Evicts(policy) if throttle.may_tell("maxmemory-policy") => {
            tracing::warn!(event = "advice", setting = "maxmemory-policy", value = %policy, "session store: removes sessions when its memory is full; noeviction keeps them");
        }
        Advice::KeepsNothing if throttle.may_tell("save") => {
            tracing::info!(
                event = "advice",
                setting = "appendonly, save",
                "session store: keeps nothing on disk; a restart logs everybody out"
            );
        }
        Advice::WritesAlone if throttle.may_tell("min-replicas-to-write") => {
            tracing::info!(
                event = "advice",
                setting = "min-replicas-to-write",
                value = 0,
                "session store: a master that is cut off from its replicas goes on taking writes, which a failover loses"
            );
        }
        _ => {}
    }
}

/// A write was not done because its session was ended, or logged in anew, meanwhile.
pub(crate) fn write_refused(session: Option<Handle>, why: &str) {
    tracing::debug!(
        event = "write_refused",
        session = session.map(tracing::field::display),
        why,
        "session write refused"
    );
}

/// This session's record cannot be read; it is left as it is.
pub(crate) fn record_unreadable(throttle: &Throttle, session: Option<Handle>, cause: &Unavailable) {
    if throttle.may_tell("record_unreadable") {
        let session = session.map(tracing::field::display);
        tracing::warn!(event = "record_unreadable", session, cause = %cause, source = %source(cause), "session record left alone");
    }
}

/// A best-effort slide of a session's life failed; the next request tries again.
pub(crate) fn slide_failed(session: Handle, cause: &Unavailable) {
    tracing::debug!(event = "slide_failed", %session, cause = %cause, "session life not extended");
}

/// Something that a roster was to learn beside a request did not reach it; what is asked of the records later makes up
/// for it.
pub(crate) fn roster_failed(cause: &Unavailable) {
    tracing::debug!(event = "roster_failed", cause = %cause, "roster not told");
}

/// Cookies of our name and form were signed by nobody: since this was told last, so many.
pub(crate) fn forged_cookies(count: u64) {
    tracing::warn!(event = "forged_cookies", count, "session cookies with a wrong signature");
}

/// A request carried several verified cookies of our name.
pub(crate) fn duplicate_cookies(throttle: &Throttle, count: usize) {
    if throttle.may_tell("duplicate_cookies") {
        tracing::warn!(event = "duplicate_cookies", count, "several session cookies in one request");
    }
}

/// The application set a cookie of the session's name; it was dropped.
pub(crate) fn foreign_set_cookie(throttle: &Throttle) {
    if throttle.may_tell("foreign_set_cookie") {
        tracing::warn!(event = "foreign_set_cookie", "the application's own cookie of the session's name was dropped");
    }
}

/// The cookie's domain is configured, but does not cover the host that a client asked for.
pub(crate) fn host_not_covered(throttle: &Throttle, host: Option<&str>) {
    if throttle.may_tell("host_not_covered") {
        let host = host.unwrap_or("unknown");
        tracing::warn!(
            event = "host_not_covered",
            host,
            "no configured cookie_domain covers the host {host}: a list is for this host alone then, and browsers drop \
             a cookie with one fixed domain"
        );
    }
}

/// A proxy that is not believed says that the client came by https.
pub(crate) fn https_not_believed(throttle: &Throttle, peer: Option<Peer>, header: &'static str) {
    if throttle.may_tell("https_not_believed") {
        let peer = match peer {
            Some(Peer::Address(address)) => address.to_canonical().to_string(),
            Some(Peer::Unix) => "unix".to_owned(),
            None => "unknown".to_owned(),
        };
        tracing::warn!(
            event = "https_not_believed",
            peer,
            header,
            "the peer {peer} says https in {header}, but is not trusted to say so: the session cookie goes without \
             Secure; name this proxy as trusted, with the headers that it sends, or make the cookie always secure"
        );
    }
}

/// Another instance has a setting otherwise that must be the same on all.
pub(crate) fn fleet_disagrees(instance: &str, setting: &str, ours: &str, theirs: &str) {
    let (instance, theirs) = (printable(instance.as_bytes()), printable(theirs.as_bytes()));
    tracing::warn!(
        event = "fleet_disagrees",
        setting,
        instance = &*instance,
        ours,
        theirs = &*theirs,
        "{setting} is not the same on all instances, so they will log users out: {ours} here, {theirs} on {instance}"
    );
}

/// What this instance needs the others to agree with could not be posted; it is tried again.
pub(crate) fn post_failed(cause: &Unavailable) {
    tracing::debug!(event = "post_failed", cause = %cause, "the settings that must agree were not posted");
}

/// Headers are to be believed, but nobody says who sent them.
pub(crate) fn unknown_peer(throttle: &Throttle) {
    if throttle.is_first("unknown_peer") {
        tracing::warn!(
            event = "unknown_peer",
            "the server does not say who the peer is, so no proxy's header is believed: see `Peer`"
        );
    }
}

/// Trusted proxies are a list without any.
pub(crate) fn nobody_trusted() {
    tracing::warn!(event = "nobody_trusted", "no proxy is trusted, so no forwarded header is believed");
}

/// A trusted range holds everybody.
pub(crate) fn everybody_trusted(range: &ipnet::IpNet) {
    tracing::warn!(event = "everybody_trusted", %range, "every address is a trusted proxy: clients can say who they are");
}

/// A trusted range is written with an address inside it.
pub(crate) fn host_bits(range: &ipnet::IpNet) {
    let network = range.trunc();
    tracing::warn!(event = "host_bits", %range, %network, "a trusted range is taken as the network that holds it");
}

/// A session was seen with something new.
pub(crate) fn drift(drift: &Drift) {
    let user = drift.user.as_ref().map(|user| printable(user.as_bytes()));
    let (what, distance) = (drift.what.as_str(), drift.distance.as_str());
    tracing::info!(
        event = "drift",
        what,
        from = drift.from,
        to = drift.to,
        distance,
        session = %drift.session,
        user = user.as_deref(),
        times = drift.times,
        returns = drift.returns,
        "session seen with another {what}: {distance}"
    );
}

fn source(cause: &Unavailable) -> String {
    std::error::Error::source(cause).map(ToString::to_string).unwrap_or_default()
}
