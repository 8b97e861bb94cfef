//! The URL of a store: where it is, and how to present oneself. Pure.
//!
//! ```text
//! redis://[user:password@]host[:6379][/database]                         rediss, valkey, valkeys
//! redis+sentinel://[user:password@]host[:26379],host…/service[/database] redis-sentinel, rediss+sentinel, …
//!     ?sentinel_username=…&sentinel_password=…
//! redis+cluster://[user:password@]host[:6379],host…                      redis-cluster, rediss+cluster, …
//! unix:///path[?db=…&user=…&pass=…]                                      redis+unix, valkey+unix
//! ```
//!
//! What an error shows of the URL is its scheme: anything else may be a password in the wrong place.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use redis::RedisConnectionInfo;

use crate::error::ConfigError;

/// What a URL says.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) topology: Topology,
    pub(super) tls: bool,
    /// For the nodes.
    pub(super) access: Access,
    pub(super) database: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Topology {
    Node(Address),
    Socket(PathBuf),
    Sentinels {
        addresses: Vec<Address>,
        service: String,
        access: Access,
    },
    /// Some of its nodes.
    Cluster(Vec<Address>),
}

/// A host and a port as they were said. The host is resolved at each dial.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    pub(super) fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// How to present oneself.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl Access {
    pub(super) fn settings(&self, database: i64) -> RedisConnectionInfo {
        let mut settings = RedisConnectionInfo::default().set_db(database).set_skip_set_lib_name();
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        settings
    }

    fn check(self, whose: &str) -> Result<Self, String> {
        match self {
            Self { user: Some(_), password: None } => Err(format!("names a {whose} without a password")),
            access => Ok(access),
        }
    }
}

/// Leaves the password out.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Reads a store's URL.
pub(super) fn parse(url: &str) -> Result<Place, ConfigError> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    let shown = if scheme.is_empty() { "…" } else { scheme };
    let refuse = |reason: &str| ConfigError::new("store", shown, reason);
    let Some((kind, tls)) = known(scheme) else {
        return Err(refuse("must begin with redis://, rediss://, redis+sentinel://, redis+cluster:// or unix://"));
    };
    let Some(rest) = url[scheme.len()..].strip_prefix("://") else {
        return Err(refuse("must go on with ://"));
    };
    if rest.contains('#') {
        return Err(refuse("has a #, which must be written %23"));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = match kind {
        Kind::Node => node(rest, query, tls),
        Kind::Socket => socket(rest, query),
        Kind::Sentinels => sentinels(rest, query, tls),
        Kind::Cluster => cluster(rest, query, tls),
    };
    place.map_err(|reason| refuse(&reason))
}

enum Kind {
    Node,
    Socket,
    Sentinels,
    Cluster,
}

/// What a scheme stands for, and whether with TLS.
fn known(scheme: &str) -> Option<(Kind, bool)> {
    let (base, suffix) = scheme.split_once(['+', '-']).unwrap_or((scheme, ""));
    let tls = match base {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        "unix" if suffix.is_empty() => return Some((Kind::Socket, false)),
        _ => return None,
    };
    match suffix {
        "" if base == scheme => Some((Kind::Node, tls)),
        "sentinel" => Some((Kind::Sentinels, tls)),
        "cluster" => Some((Kind::Cluster, tls)),
        "unix" if !tls => Some((Kind::Socket, false)),
        _ => None,
    }
}

fn node(rest: &str, query: &str, tls: bool) -> Result<Place, String> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (access, hosts) = credentials(authority)?;
    let [_] = parameters(query, ["protocol"])?;
    if hosts.contains(',') {
        return Err("names several hosts: write redis+sentinel:// or redis+cluster://".to_owned());
    }
    let address = address(hosts, 6379).map_err(|wrong| format!("the host {wrong}"))?;
    Ok(Place { topology: Topology::Node(address), tls, access, database: database(path.trim_end_matches('/'))? })
}

fn socket(rest: &str, query: &str) -> Result<Place, String> {
    let [db, user, password] = parameters(query, ["db", "user", "pass"])?;
    if !rest.starts_with('/') || rest.len() == 1 {
        return Err("needs the whole path of a socket: unix:///path".to_owned());
    }
    let path = PathBuf::from(decode(rest, "the path")?);
    let access = Access { user, password }.check("user")?;
    Ok(Place { topology: Topology::Socket(path), tls: false, access, database: database(&db.unwrap_or_default())? })
}

fn sentinels(rest: &str, query: &str, tls: bool) -> Result<Place, String> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (access, hosts) = credentials(authority)?;
    let addresses = addresses(hosts, 26379, "Sentinel")?;
    let (service, db) = path.split_once('/').unwrap_or((path, ""));
    let service = decode(service, "the service")?;
    if service.is_empty() || service.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("must name the service that the Sentinels watch: redis+sentinel://host,host/service".to_owned());
    }
    let [user, password] = parameters(query, ["sentinel_username", "sentinel_password"])?;
    let topology =
        Topology::Sentinels { addresses, service, access: Access { user, password }.check("sentinel_username")? };
    Ok(Place { topology, tls, access, database: database(db.trim_end_matches('/'))? })
}

fn cluster(rest: &str, query: &str, tls: bool) -> Result<Place, String> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (access, hosts) = credentials(authority)?;
    let [_] = parameters(query, ["protocol"])?;
    let addresses = addresses(hosts, 6379, "node")?;
    if database(path.trim_end_matches('/'))? != 0 {
        return Err("a Cluster has no other database than 0".to_owned());
    }
    Ok(Place { topology: Topology::Cluster(addresses), tls, access, database: 0 })
}

/// A list of hosts; an error says which of them is wrong.
fn addresses(hosts: &str, default: u16, what: &str) -> Result<Vec<Address>, String> {
    let count = hosts.split(',').count();
    let numbered = hosts.split(',').enumerate();
    let address =
        |(index, host)| address(host, default).map_err(|wrong| format!("{what} {} of {count} {wrong}", index + 1));
    numbered.map(address).collect()
}

/// User and password, and what comes after them.
fn credentials(authority: &str) -> Result<(Access, &str), String> {
    let Some((credentials, hosts)) = authority.rsplit_once('@') else {
        return Ok((Access::default(), authority));
    };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let part = |text: &str, name: &str| Ok::<_, String>(Some(decode(text, name)?).filter(|text| !text.is_empty()));
    let access = Access { user: part(user, "the user")?, password: part(password, "the password")? };
    Ok((access.check("user")?, hosts))
}

fn address(text: &str, default: u16) -> Result<Address, &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("has no closing bracket")?;
            let bare = host.split_once('%').map_or(host, |(bare, _zone)| bare);
            bare.parse::<Ipv6Addr>().map_err(|_| "has something in brackets that is no IPv6 address")?;
            let port = match port.strip_prefix(':') {
                None if !port.is_empty() => return Err("has something after the closing bracket that is no port"),
                port => port,
            };
            (host, port)
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("is empty");
    }
    if port.is_some_and(|port| port.contains(':')) {
        return Err("is an IPv6 address without brackets");
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte)) {
        return Err("has a character that no host has");
    }
    let port = match port {
        None => default,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or("has a port that is not from 1 to 65535")?,
    };
    Ok(Address::new(host, port))
}

fn database(text: &str) -> Result<i64, String> {
    match text {
        "" => Ok(0),
        text => text.parse::<u32>().map(i64::from).map_err(|_| "the database must be a number from 0".to_owned()),
    }
}

/// The values of these parameters; another one, or one given twice, is refused.
fn parameters<const N: usize>(query: &str, names: [&str; N]) -> Result<[Option<String>; N], String> {
    let mut values = [const { None }; N];
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let Some(index) = names.iter().position(|known| *known == name) else {
            return Err(format!("has a parameter that is not known; known are {}", names.join(", ")));
        };
        if values[index].replace(decode(value, names[index])?).is_some() {
            return Err(format!("has {} twice", names[index]));
        }
    }
    Ok(values)
}

fn decode(text: &str, part: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let hex = |index: usize| bytes.get(index).is_some_and(u8::is_ascii_hexdigit);
    let broken = (0..bytes.len()).any(|index| bytes[index] == b'%' && !(hex(index + 1) && hex(index + 2)));
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) if !broken => Ok(decoded.into_owned()),
        _ => Err(format!("{part} is not percent-encoded UTF-8 (a % itself is written %25)")),
    }
}

#[cfg(test)]
mod tests;
