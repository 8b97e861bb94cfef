//! Browser and platform out of a `User-Agent`, by woothee's data.

use std::cmp::Ordering;
use std::fmt;

use woothee::parser::Parser;

use super::Distance;

/// What a `User-Agent` says of itself: enough for a list of devices. A client may say anything.
///
/// ```
/// use stickless::UserAgent;
///
/// let agent = UserAgent::parse("Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0");
/// assert_eq!((agent.family.as_str(), agent.version.as_str(), agent.platform.as_str()), ("Firefox", "125.0", "Linux"));
/// assert_eq!(UserAgent::parse("curl/8.7.1").family, "curl");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UserAgent {
    /// The browser or program, such as `Firefox`.
    pub family: String,
    /// Its version, as it says; may be empty.
    pub version: String,
    /// What it runs on, such as `Windows`, `iPhone` or `Android`; empty where it does not say.
    pub platform: String,
}

impl UserAgent {
    /// Of what woothee does not know, the first product and its version (RFC 9110, section 10.1.5).
    ///
    /// ```
    /// assert_eq!(stickless::UserAgent::parse("backup/2.0 (nightly)").version, "2.0");
    /// ```
    pub fn parse(agent: &str) -> Self {
        let known = |text: &str| if text == "UNKNOWN" { String::new() } else { text.to_owned() };
        let found = Parser::new().parse(agent);
        let platform = found.as_ref().map_or_else(String::new, |found| known(found.os));
        // Its version follows: "Windows 10", "Windows 11".
        let platform = if platform.starts_with("Windows ") { "Windows".to_owned() } else { platform };
        match found {
            Some(found) if !matches!(found.name, "UNKNOWN" | "HTTP Library") => {
                Self { family: known(found.name), version: known(found.version), platform }
            }
            _ => {
                let product = agent.split(' ').next().unwrap_or_default();
                let (family, version) = product.split_once('/').unwrap_or((product, ""));
                Self { family: family.to_owned(), version: version.to_owned(), platform }
            }
        }
    }

    /// How far it is from here to another.
    pub(super) fn distance(&self, to: &Self) -> Distance {
        if self.platform != to.platform {
            return Distance::OtherPlatform;
        }
        if self.family != to.family {
            return Distance::OtherBrowser;
        }
        match numbers(&to.version).cmp(&numbers(&self.version)) {
            Ordering::Greater => Distance::NewerVersion,
            Ordering::Less => Distance::OlderVersion,
            Ordering::Equal => Distance::SameBrowser,
        }
    }
}

impl fmt::Display for UserAgent {
    /// Such as `Firefox on Linux`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.platform.as_str() {
            "" => f.write_str(&self.family),
            platform => write!(f, "{} on {platform}", self.family),
        }
    }
}

fn numbers(version: &str) -> Vec<u64> {
    let parts = version.split(|character: char| !character.is_ascii_digit());
    parts.filter(|part| !part.is_empty()).map(|part| part.parse().unwrap_or(u64::MAX)).collect()
}
