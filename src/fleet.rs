//! Whether the instances of one fleet agree: with different cookie names, domains, limits, caps or keys they log people
//! out.
//!
//! Each instance posts in the store what must be the same everywhere, when it begins and once a minute, and reads
//! what the others posted. A difference is one warning, which names the setting and the other instance. No request
//! waits for this or fails with it, and nothing that is posted opens a session: of keys there are fingerprints.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::clock::jitter;
use crate::event;
use crate::layer::Shared;
use crate::store::roster::Cap;
use crate::store::{Budget, Card};

/// How often a card is posted, or up to a quarter sooner: instances that began together do not go on together.
const EVERY: Duration = Duration::from_secs(60);
/// How soon again when the store did not take it.
const AGAIN: Duration = Duration::from_secs(5);
/// The setting that need not be equal.
const KEYS: &str = "keys";

/// What this layer posts.
pub(crate) fn card(instance: String, shared: &Shared) -> Card {
    let seconds =
        |limit: Option<Duration>| limit.map_or("none".to_owned(), |limit| format!("{}s", limit.as_secs_f64()));
    let (attributes, lifetime, limits) = (&shared.attributes, &shared.lifetime, shared.limits);
    let limits = [limits.key, limits.value, limits.fields, limits.record].map(|limit| limit.to_string());
    let cap = match shared.cap {
        None => "none".to_owned(),
        Some(Cap::Evict(most)) => format!("{most}, the oldest end"),
        Some(Cap::Refuse(most)) => format!("{most}, a new one is refused"),
    };
    let settings = [
        ("cookie_name", attributes.name.clone()),
        ("cookie_domain", attributes.domains.to_string()),
        ("cookie_path", attributes.path.clone()),
        ("cookie_partitioned", attributes.partitioned.to_string()),
        ("idle", seconds(Some(lifetime.idle))),
        ("absolute", seconds(lifetime.absolute)),
        ("idle_anonymous", seconds(lifetime.idle_anonymous)),
        ("limits", limits.join(" ")),
        ("cap", cap),
        (KEYS, shared.keys.fingerprints().join(" ")),
    ];
    Card { instance, settings: settings.map(|(name, value)| (name.to_owned(), value)).into() }
}

/// Posts the card for as long as the layer is used, beside all requests.
pub(crate) fn post(shared: &Arc<Shared>, card: Card) {
    // Without a runtime there is no "beside", and no store that others share.
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let shared = Arc::downgrade(shared);
    runtime.spawn(async move {
        let mut told = Told::default();
        loop {
            // Between two cards nothing keeps the layer, and so its store.
            let Some(shared) = shared.upgrade() else { return };
            let answer = shared.store.post(&card, &Budget::default()).await;
            drop(shared);
            match answer {
                Ok(None) => return,
                Ok(Some(others)) => {
                    told.tell(&card, &others);
                    sleep(EVERY * 3 / 4 + jitter(EVERY / 4)).await;
                }
                Err(cause) => {
                    event::post_failed(&cause);
                    sleep(AGAIN * 3 / 4 + jitter(AGAIN / 4)).await;
                }
            }
        }
    });
}

/// A setting that another instance has otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    instance: String,
    setting: String,
    theirs: String,
}

fn differences(ours: &Card, theirs: &Card) -> Vec<Difference> {
    let common = ours.settings.iter().filter_map(|(name, our)| Some((name, our, theirs.settings.get(name)?)));
    let differ = common.filter(|(name, ours, theirs)| !agree(name, ours, theirs));
    let difference = |(setting, _, theirs_value): (&String, &String, &String)| Difference {
        instance: theirs.instance.clone(),
        setting: setting.clone(),
        theirs: theirs_value.clone(),
    };
    differ.map(difference).collect()
}

/// Keys agree when each instance can verify what the other signs, as in the middle of a change of keys.
fn agree(setting: &str, ours: &str, theirs: &str) -> bool {
    let verifies = |keys: &str, signed: &str| {
        let signer = signed.split(' ').next();
        keys.split(' ').any(|key| Some(key) == signer)
    };
    ours == theirs || (setting == KEYS && verifies(ours, theirs) && verifies(theirs, ours))
}

/// What was told and still holds.
#[derive(Default)]
struct Told(Vec<Difference>);

impl Told {
    fn tell(&mut self, ours: &Card, others: &[Card]) {
        let others = others.iter().filter(|card| card.instance != ours.instance);
        let now: Vec<Difference> = others.flat_map(|theirs| differences(ours, theirs)).collect();
        for difference in now.iter().filter(|difference| !self.0.contains(difference)) {
            let our = ours.settings.get(&difference.setting).map_or("", String::as_str);
            event::fleet_disagrees(&difference.instance, &difference.setting, our, &difference.theirs);
        }
        self.0 = now;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::keys::KeyRing;

    fn card(instance: &str, settings: &[(&str, &str)]) -> Card {
        let settings: BTreeMap<_, _> = settings.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Card { instance: instance.into(), settings }
    }

    fn names(ours: &Card, theirs: &Card) -> Vec<String> {
        differences(ours, theirs).into_iter().map(|difference| difference.setting).collect()
    }

    #[test]
    fn a_difference_names_its_setting_and_what_only_one_version_knows_is_none() {
        let ours = card("a", &[("cookie_name", "sid"), ("idle", "60s"), ("new", "1")]);
        let theirs = card("b", &[("cookie_name", "shop"), ("idle", "60s"), ("newer", "2")]);
        assert_eq!(names(&ours, &theirs), ["cookie_name"]);
        assert_eq!(names(&ours, &ours), [""; 0]);
    }

    #[test]
    fn keys_agree_as_long_as_each_can_verify_what_the_other_signs() {
        let cases = [
            ("old", "old", true),
            ("old", "old new", true),
            ("old new", "new old", true),
            ("new old", "new", true),
            ("old", "new old", false),
            ("old", "new", false),
            ("old new", "new", false),
        ];
        for (ours, theirs, wanted) in cases {
            assert_eq!(agree(KEYS, ours, theirs), wanted, "{ours} / {theirs}");
            assert_eq!(agree(KEYS, theirs, ours), wanted, "{theirs} / {ours}");
        }
        let ring = |keys: &[[u8; 32]]| KeyRing::from_keys(keys).expect("keys").fingerprints();
        let (one, both) = (ring(&[[1; 32]]), ring(&[[1; 32], [2; 32]]));
        assert_eq!((one.len(), both.len(), one[0] == both[0], both[0] == both[1]), (1, 2, true, false));
    }
}
