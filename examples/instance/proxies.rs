//! `CLIENT_IP_SOURCE` and `TRUSTED_PROXIES`: whose headers are believed, and which.

use stickless::{Forwarding, Trust};

use crate::environment::Environment;
use crate::settings::named;

pub(crate) struct Proxies {
    trust: Trust,
    /// Proxies are named, but no header.
    unread: bool,
}

impl Proxies {
    /// The proxies are read also where no header is: a mistake in them shows at once.
    pub(crate) fn read(env: &Environment) -> Result<Self, String> {
        let sources = [
            ("peer", None),
            ("x-forwarded-for", Some(Forwarding::XForwardedFor)),
            ("forwarded", Some(Forwarding::Forwarded)),
            ("x-real-ip", Some(Forwarding::XRealIp)),
        ];
        let source = env.choice("CLIENT_IP_SOURCE", "peer", &sources)?;
        let proxies = env.text("TRUSTED_PROXIES", "");
        let trust = trust(&proxies, source.unwrap_or(Forwarding::XForwardedFor))?;
        let unread = source.is_none() && !proxies.is_empty();
        Ok(Self { trust: if source.is_some() { trust } else { Trust::Peer }, unread })
    }

    pub(crate) fn trust(&self) -> Trust {
        self.trust.clone()
    }

    pub(crate) fn tell_unread(&self) {
        if self.unread {
            tracing::warn!("CLIENT_IP_SOURCE is peer, so TRUSTED_PROXIES does nothing: no header is read");
        }
    }
}

fn trust(proxies: &str, headers: Forwarding) -> Result<Trust, String> {
    let trust = match proxies.strip_prefix("hops:") {
        Some(hops) => {
            let hops = hops.bytes().all(|byte| byte.is_ascii_digit()).then(|| hops.parse().ok()).flatten();
            let refusal = || format!("TRUSTED_PROXIES = {proxies}: must be hops: and a whole number above zero");
            Trust::hops(hops.ok_or_else(refusal)?, headers)
        }
        None => Trust::proxies(proxies, headers),
    };
    trust.map_err(|error| named(&error))
}
