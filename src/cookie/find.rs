//! Finding our cookie among all that a request carries. On bytes: no foreign cookie, however broken, can hide it.

use std::cmp::Reverse;

use http::HeaderMap;
use http::header::COOKIE;

use crate::id::Id;
use crate::keys::{KeyRing, Token};
use crate::white_space::{trim, trim_start};

/// So many values of our name are verified at most.
const VERIFIED_MOST: usize = 8;
/// So many sessions are looked up at most.
const LOADED_MOST: usize = 3;

/// What a request carries under our name.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// The verified ones to look up, newest first, one for each session.
    pub(crate) tokens: Vec<Token>,
    /// How many sessions there were.
    pub(crate) sessions: usize,
    /// There were several values, verified or not.
    pub(crate) several: bool,
    /// All values were verified.
    pub(crate) all_ours: bool,
    /// How many had a token's form and nobody's signature, among those that were verified.
    pub(crate) forged: u64,
}

/// Finds and verifies our cookies. What cannot be a token by its length is not counted among those that are verified.
pub(crate) fn candidates(headers: &HeaderMap, name: &str, keys: &KeyRing) -> Candidates {
    let mut tokens: Vec<Token> = Vec::new();
    let (mut count, mut tried, mut verified) = (0, 0, 0);
    for value in values(headers, name) {
        count += 1;
        if tried == VERIFIED_MOST || !KeyRing::could_be(value) {
            continue;
        }
        tried += 1;
        let Some(token) = keys.verify(name, value) else { continue };
        verified += 1;
        match tokens.iter_mut().find(|known| same(&known.id, &token.id)) {
            Some(known) if (known.generation, known.issued) < (token.generation, token.issued) => *known = token,
            Some(_) => {}
            None => tokens.push(token),
        }
    }
    tokens.sort_by_key(|token| Reverse((token.issued, token.generation)));
    let sessions = tokens.len();
    tokens.truncate(LOADED_MOST);
    let forged = u64::try_from(tried - verified).unwrap_or(u64::MAX);
    Candidates { tokens, sessions, several: count > 1, all_ours: verified == count, forged }
}

fn same(a: &Id, b: &Id) -> bool {
    a.as_bytes() == b.as_bytes()
}

/// The values under our name, in the order of the request. Names are compared byte for byte; blank and tab are
/// trimmed and nothing else (RFC 6265bis, section 5.6).
fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|line| pairs(line.as_bytes()));
    pairs.filter_map(move |pair| {
        // A name has no `=` in it, so this is what stands before the first one.
        let rest = trim_start(pair).strip_prefix(name.as_bytes())?;
        trim_start(rest).strip_prefix(b"=").map(trim)
    })
}

/// What stands between semicolons.
fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b';', line)
        .chain([line.len()])
        .map(move |end| &line[std::mem::replace(&mut start, end + 1)..end])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(lines: &[&[u8]], name: &str) -> Vec<Vec<u8>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).expect("a header value"));
        }
        values(&headers, name).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn ours_is_found_among_broken_ones_and_over_several_lines() {
        let lines: [&[u8]; 3] = [b"a=\xe9\xff; ; =x; nameless; sid=1", b"sid2=3;\tsid = 2\t", b"b=sid=9"];
        assert_eq!(found(&lines, "sid"), [b"1".to_vec(), b"2".to_vec()]);
    }

    #[test]
    fn only_blank_and_tab_are_trimmed_and_names_are_compared_byte_for_byte() {
        let lines: [&[u8]; 1] = ["\u{2000}sid=1; SID=2; sid\u{a0}=3; sid=\u{a0}4".as_bytes()];
        assert_eq!(found(&lines, "sid"), ["\u{a0}4".as_bytes().to_vec()]);
    }

    #[test]
    fn values_that_cannot_be_tokens_do_not_hide_one_that_is() {
        let keys = KeyRing::from_keys(&[[1; 32]]).expect("a key");
        let token = keys.sign("sid", &Id::from_bytes([1; 16]), 1, 10);
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("{}sid={token}", "sid=x; ".repeat(100)).parse().expect("a header value"));
        assert_eq!(candidates(&headers, "sid", &keys).tokens.len(), 1);
    }

    #[test]
    fn the_newest_token_comes_first_and_no_more_than_three_are_looked_up() {
        let keys = KeyRing::from_keys(&[[1; 32]]).expect("a key");
        let sign = |id: u8, generation, issued| keys.sign("sid", &Id::from_bytes([id; 16]), generation, issued);
        let cookies = [sign(1, 1, 10), sign(2, 1, 30), sign(2, 2, 20), sign(3, 1, 40), sign(4, 1, 50), "x".repeat(76)]
            .map(|v| format!("sid={v}"));
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, cookies.join("; ").parse().expect("a header value"));
        let Candidates { tokens, sessions, several, all_ours, .. } = candidates(&headers, "sid", &keys);
        assert_eq!((sessions, several, all_ours), (4, true, false));
        let seen: Vec<_> = tokens.iter().map(|token| (token.id.as_bytes()[0], token.generation)).collect();
        assert_eq!(seen, [(4, 1), (3, 1), (2, 2)]);
        headers.insert(COOKIE, cookies[..2].join("; ").parse().expect("a header value"));
        assert!(candidates(&headers, "sid", &keys).all_ours);
    }
}
