//! What users do, all of it: for stores that are reached in other ways than usual.

use serde_json::json;

use crate::harness::{Browser, Fleet, Store};

/// All that a user does, each act on another instance; what is left at the end: a session with a count of 3.
pub(crate) async fn behaves<S: Store>(fleet: &Fleet<S>) -> Browser {
    let (browser, other) = (fleet.browser(), fleet.browser());
    for turn in 0..3 {
        let counted = browser.at(fleet.url(turn)).get("/count").send().await;
        assert_eq!(counted.json(), json!({ "count": turn + 1, "session": turn > 0 }));
    }
    for turn in 0..3 {
        let appended = browser.at(fleet.url(turn)).post("/append?k=list&v=x").send().await;
        assert_eq!(appended.json()["length"], turn + 1);
    }
    for (turn, act) in ["/set?k=a&v=1", "/take?k=a", "/set?k=a&v=2", "/unset?k=a", "/rotate"].into_iter().enumerate() {
        let done = browser.at(fleet.url(turn)).post(act).send().await;
        assert!(done.status < 300, "{act}: {}", done.status);
    }
    for (turn, user) in [&browser, &other].into_iter().enumerate() {
        assert_eq!(user.at(fleet.url(turn)).post("/login?user=alice").send().await.status, 204);
    }
    let devices = browser.at(fleet.url(2)).get("/devices").send().await.json();
    assert_eq!(devices.as_array().map(Vec::len), Some(2), "{devices}");
    assert_eq!(browser.at(fleet.url(0)).post("/logout-others").send().await.json()["ended"], 1);
    assert_eq!(other.at(fleet.url(1)).get("/me").send().await.json()["user"], json!(null));
    assert_eq!(browser.at(fleet.url(2)).post("/logout-everywhere").send().await.json()["ended"], 1);
    let brief = fleet.browser();
    for act in ["/login?user=bob", "/remember-me?days=30", "/clear", "/logout"] {
        assert_eq!(brief.at(fleet.url(1)).post(act).send().await.status, 204, "{act}");
    }
    let again = fleet.browser();
    for turn in 0..3 {
        again.at(fleet.url(turn)).get("/count").send().await;
    }
    again
}

/// Whether the session is still there, at each instance.
pub(crate) async fn assert_kept<S: Store>(fleet: &Fleet<S>, browser: &Browser) {
    for turn in 0..3 {
        let me = browser.at(fleet.url(turn)).get("/me").send().await;
        assert_eq!((me.status, me.json()["count"].clone(), me.set_cookies().len()), (200, json!(3), 0), "{turn}");
    }
}
