//! What a session may hold.

use serde_json::json;

use super::{On, on_each_store};
use crate::harness::{percent, record_key};

on_each_store! {
    values_and_keys_of_any_characters_make_the_round_trip,
    a_value_may_have_64_kib_as_json_and_no_more,
    a_key_has_from_one_to_200_bytes,
    a_session_has_no_more_than_256_kib,
    adding_to_what_is_no_integer_is_refused_and_changes_nothing,
}

async fn values_and_keys_of_any_characters_make_the_round_trip(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    let texts = ["\0\u{1}\r\n\t\u{7f}", "\"\\/{}[]", "ä ö ü ß € 😀 \u{202e}", "", " ", "n", ".", "v", "g", "\u{2000}"];
    let mut wanted = serde_json::Map::new();
    for text in texts {
        let key = format!("k{text}");
        let path = format!("/set?k={}&v={}", percent(&key), percent(text));
        assert_eq!(browser.post(&path).send().await.status, 204, "{text:?}");
        let exists = browser.get(&format!("/exists?k={}", percent(&key))).send().await;
        assert_eq!(exists.json(), json!({ "exists": true }), "{text:?}");
        wanted.insert(key, json!(text));
    }
    // Names of the record's own fields are keys like any other.
    for key in ["v", "g", "b", "t", "l", "w", "e"] {
        assert_eq!(browser.post(&format!("/set?k={key}&v=mine")).send().await.status, 204);
        wanted.insert(key.to_owned(), json!("mine"));
    }
    let dump = browser.get("/dump").send().await.json();
    assert_eq!(dump["data"].as_object(), Some(&wanted));
    for text in texts {
        let answer = browser.post(&format!("/take?k={}", percent(&format!("k{text}")))).send().await;
        assert_eq!(answer.json(), json!({ "value": text }));
    }
}

/// A control character is six bytes of JSON and three of a URL, which has limits of its own.
fn json_of(bytes: usize) -> String {
    let text = bytes - 2;
    format!("{}{}", "%01".repeat(text / 6), "x".repeat(text % 6))
}

async fn a_value_may_have_64_kib_as_json_and_no_more(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.post("/set?k=small&v=1").send().await;
    let most = browser.post(&format!("/set?k=a&v={}", json_of(65_536))).send().await;
    assert_eq!(most.status, 204);
    for path in ["/set", "/append"] {
        let more = browser.post(&format!("{path}?k=b&v={}", json_of(65_537))).send().await;
        assert_eq!((more.status, more.set_cookies().len()), (413, 0));
    }
    assert_eq!(browser.get("/exists?k=b").send().await.json(), json!({ "exists": false }));
    assert_eq!(browser.get("/exists?k=small").send().await.json(), json!({ "exists": true }));
    let value = browser.post("/take?k=a").send().await.json();
    assert_eq!(value["value"].as_str().map(str::len), Some(65_534 / 6 + 65_534 % 6));
}

async fn a_key_has_from_one_to_200_bytes(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    let (most, more) = ("ä".repeat(100), format!("{}x", "ä".repeat(100)));
    assert_eq!(browser.post(&format!("/set?k={}&v=1", percent(&most))).send().await.status, 204);
    for path in ["/set", "/append"] {
        for key in ["", &more] {
            let refused = browser.post(&format!("{path}?k={}&v=1", percent(key))).send().await;
            assert_eq!((refused.status, refused.set_cookies().len()), (400, 0), "{key}");
        }
    }
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { most: "1" } }));
}

async fn a_session_has_no_more_than_256_kib(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    for key in 0..3 {
        let set = browser.post(&format!("/set?k={key}&v={}", json_of(65_535))).send().await;
        assert_eq!(set.status, 204, "{key}");
    }
    let most = browser.post(&format!("/set?k=3&v={}", json_of(65_535))).send().await;
    assert_eq!(most.status, 204);
    assert_eq!(browser.post("/set?k=4&v=").send().await.status, 413);
    assert_eq!(browser.get("/count").send().await.status, 413);
    // Less is always allowed.
    assert_eq!(browser.post("/set?k=3&v=less").send().await.status, 204);
    assert_eq!(browser.post("/set?k=4&v=").send().await.status, 204);
}

async fn adding_to_what_is_no_integer_is_refused_and_changes_nothing(on: On) {
    let stage = on.start().await;
    let browser = stage.browser();
    browser.post("/set?k=n&v=7").send().await;
    browser.post("/set?k=other&v=1").send().await;
    let refused = browser.get("/count").send().await;
    assert_eq!((refused.status, refused.set_cookies().len()), (422, 0));
    assert_eq!(browser.get("/dump").send().await.json(), json!({ "data": { "n": "7", "other": "1" } }));
}

#[tokio::test]
async fn an_undecodable_value_harms_its_own_key_alone() {
    let stage = On::Redis.start().await;
    let browser = stage.browser();
    browser.get("/count").send().await;
    browser.post("/set?k=other&v=1").send().await;
    let key = record_key(&browser.cookie().expect("a session"));
    for broken in ["not json", "\"x\"", "1.5", "{\"a\":"] {
        stage.redis().cli(&["HSET", &key, ".n", broken]).await;
        for path in ["/count", "/etag"] {
            let answer = browser.get(path).send().await;
            assert!([422, 500].contains(&answer.status), "{path} {broken}: {answer:?}");
            assert_eq!(answer.set_cookies(), [""; 0]);
            assert!(!answer.text().contains(broken), "{answer:?}");
        }
        assert_eq!(browser.get("/exists?k=other").send().await.json(), json!({ "exists": true }));
        assert_eq!(browser.post("/set?k=more&v=1").send().await.status, 204);
        assert_eq!(stage.redis().cli(&["HGET", &key, ".n"]).await, broken);
    }
    assert_eq!(browser.post("/unset?k=n").send().await.status, 204);
    assert_eq!(browser.get("/count").send().await.json(), json!({ "count": 1, "session": true }));
}

#[tokio::test]
async fn a_session_has_no_more_than_a_thousand_keys() {
    let stage = On::Redis.start().await;
    let browser = stage.browser();
    browser.post("/set?k=0&v=1").send().await;
    let key = record_key(&browser.cookie().expect("a session"));
    let fields: Vec<String> = (1..999).map(|number| format!(".{number}")).collect();
    let pairs = fields.iter().flat_map(|field| [field.as_str(), "1"]);
    // As another version would write them that keeps no sizes; they are counted anew.
    let hset: Vec<&str> = ["HSET", &key].into_iter().chain(pairs).collect();
    stage.redis().cli(&hset).await;
    stage.redis().cli(&["HDEL", &key, "n"]).await;
    assert_eq!(browser.post("/set?k=last&v=1").send().await.status, 204);
    assert_eq!(stage.redis().cli(&["HGET", &key, "n"]).await.split(' ').next(), Some("1000"));
    assert_eq!(browser.post("/set?k=more&v=1").send().await.status, 413);
    assert_eq!(browser.get("/count").send().await.status, 413);
    assert_eq!(browser.post("/set?k=last&v=2").send().await.status, 204);
    assert_eq!(browser.post("/unset?k=5").send().await.status, 204);
    assert_eq!(browser.get("/count").send().await.json(), json!({ "count": 1, "session": true }));
}
