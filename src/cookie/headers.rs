//! What else a response must say when it depends on the session's cookie or sets it.

use http::header::{CACHE_CONTROL, ETAG, LAST_MODIFIED, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue};

/// Puts our `Set-Cookie`s on a response in place of any that the application made under our name, with the `Vary` and
/// `Cache-Control` that keep shared caches from handing them to others (RFC 9111, sections 3 and 4.1). What was made
/// with a look at the session is in no cache at all, unless the application says otherwise: a browser's way back does
/// not ask again, and would show it after the log-out. An application that gave it a validator means to be asked again,
/// which needs a copy to ask about: the browser's own. Says whether the application had made a cookie.
pub(crate) fn dress(headers: &mut HeaderMap, name: &str, cookies: Vec<HeaderValue>, looked: bool) -> bool {
    let foreign = drop_foreign(headers, name);
    if looked || !cookies.is_empty() {
        vary_by_cookie(headers);
    }
    if !cookies.is_empty() {
        keep_private(headers);
    } else if looked && !headers.contains_key(CACHE_CONTROL) {
        let validated = headers.contains_key(ETAG) || headers.contains_key(LAST_MODIFIED);
        let default = if validated { "private, no-cache" } else { "no-store" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(default));
    }
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
    foreign
}

fn drop_foreign(headers: &mut HeaderMap, name: &str) -> bool {
    let ours = |value: &HeaderValue| {
        let pair = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        pair.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii() == name.as_bytes()
    };
    if !headers.get_all(SET_COOKIE).iter().any(ours) {
        return false;
    }
    let kept: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().filter(|value| !ours(value)).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
    true
}

fn vary_by_cookie(headers: &mut HeaderMap) {
    let says = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.split(',').any(|field| matches!(field.trim(), "*") || field.trim().eq_ignore_ascii_case("cookie"))
    };
    if !headers.get_all(VARY).iter().any(says) {
        headers.append(VARY, HeaderValue::from_static("Cookie"));
    }
}

/// `no-store` where nothing was said; `private` in place of whatever lets shared caches store.
fn keep_private(headers: &mut HeaderMap) {
    let lines: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    let directives: Vec<&str> = lines.iter().flat_map(|line| directives(line)).collect();
    if directives.is_empty() {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return;
    }
    let is = |directive: &str, name: &str| directive.eq_ignore_ascii_case(name);
    let stricter = directives.iter().any(|directive| is(directive, "no-store") || is(directive, "private"));
    let shared = |directive: &&str| {
        let name = directive.split('=').next().unwrap_or_default().trim();
        is(name, "public") || is(name, "s-maxage")
    };
    if stricter && !directives.iter().any(shared) {
        return;
    }
    let mut kept: Vec<&str> = directives.into_iter().filter(|directive| !shared(directive)).collect();
    if !stricter {
        kept.insert(0, "private");
    }
    let value = HeaderValue::from_str(&kept.join(", "));
    headers.insert(CACHE_CONTROL, value.unwrap_or(HeaderValue::from_static("no-store")));
}

/// The directives of a line; a comma inside quotes parts none.
fn directives(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parts = line.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dressed(pairs: &[(&'static str, &'static str)], cookies: usize, looked: bool) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        dress(&mut headers, "sid", vec![HeaderValue::from_static("sid=ours"); cookies], looked);
        let line = |(name, value): (&http::HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().expect("ASCII").to_owned())
        };
        headers.iter().map(line).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_response_that_sets_the_cookie_is_in_no_shared_cache() {
        let cases = [
            ("", "no-store"),
            ("public, max-age=60", "private, max-age=60"),
            ("max-age=60, s-maxage=600", "private, max-age=60"),
            ("private, max-age=5", "private, max-age=5"),
            ("no-store", "no-store"),
            ("private, public", "private"),
            ("private=\"a, b\", max-age=1", "private, private=\"a, b\", max-age=1"),
            ("no-cache", "private, no-cache"),
        ];
        for (said, becomes) in cases {
            let given: &[_] = if said.is_empty() { &[] } else { &[("cache-control", said)] };
            assert!(dressed(given, 1, true).contains(&pair("cache-control", becomes)), "{said}");
        }
    }

    #[test]
    fn a_response_that_looked_varies_by_cookie_and_is_in_no_cache_unless_it_says_so() {
        assert_eq!(
            dressed(&[("cache-control", "public")], 0, true),
            [pair("cache-control", "public"), pair("vary", "Cookie")]
        );
        assert_eq!(
            dressed(&[("vary", "Accept, cookie")], 0, true),
            [pair("vary", "Accept, cookie"), pair("cache-control", "no-store")]
        );
        assert_eq!(dressed(&[], 0, true), [pair("vary", "Cookie"), pair("cache-control", "no-store")]);
        assert_eq!(dressed(&[], 0, false), []);
    }

    #[test]
    fn a_response_with_a_validator_is_asked_about_each_time_and_in_no_shared_cache() {
        for validator in [("etag", "\"7\""), ("last-modified", "Tue, 15 Nov 1994 12:45:26 GMT")] {
            assert!(dressed(&[validator], 0, true).contains(&pair("cache-control", "private, no-cache")));
            assert!(dressed(&[validator], 1, true).contains(&pair("cache-control", "no-store")), "it sets the cookie");
            assert_eq!(dressed(&[validator], 0, false), [pair(validator.0, validator.1)]);
            let said = dressed(&[validator, ("cache-control", "max-age=5")], 0, true);
            assert!(said.contains(&pair("cache-control", "max-age=5")));
        }
    }

    #[test]
    fn a_cookie_of_our_name_by_the_application_is_dropped_and_others_stay() {
        let given = [("set-cookie", "sid=theirs; Path=/"), ("set-cookie", "theme=dark"), ("set-cookie", "sid2=x")];
        let cookies: Vec<_> = dressed(&given, 1, true).into_iter().filter(|(name, _)| name == "set-cookie").collect();
        assert_eq!(
            cookies,
            [pair("set-cookie", "theme=dark"), pair("set-cookie", "sid2=x"), pair("set-cookie", "sid=ours")]
        );
    }
}
