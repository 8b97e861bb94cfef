//! A record out of the reply of `HGETALL` and `PTTL`. Pure.

use std::time::Duration;

use redis::Value;

use super::whole::elements;
use crate::clock::Timestamp;
use crate::error::{Unavailable, UnavailableKind};
use crate::record::{FORMAT_VERSION, Lately, Life, Record, Seen};
use crate::store::{Loaded, Reason};

/// What a hash and its time to live say. A broken field is an error for this session alone, never half the data.
pub(super) fn loaded(hash: &Value, pttl: &Value) -> Result<Loaded, Unavailable> {
    let elements = elements(hash).ok_or_else(|| corrupt("the reply is no hash"))?;
    let (fields, []) = elements.as_chunks::<2>() else { return Err(corrupt("the reply is no hash")) };
    if fields.is_empty() {
        return Ok(Loaded::Missing);
    }
    let own = |letter: u8| fields.iter().find(|[field, _]| *field == [letter]).map(|[_, text]| *text);
    match (own(b't'), own(b'y')) {
        (Some(at), Some(reason)) => {
            let reason = Reason::of(&String::from_utf8_lossy(reason));
            return Ok(Loaded::Ended { at: moment("t", at)?, reason });
        }
        (Some(_), None) => return Ok(Loaded::Tombstone),
        (None, _) => {}
    }
    let version = own(b'v').ok_or_else(|| corrupt("a field is missing"))?;
    if number::<u32>("v", version)? > FORMAT_VERSION {
        return Err(UnavailableKind::Newer.into());
    }
    let mut record = Record { expires_in: left(pttl)?, ..Record::default() };
    let (mut generation, mut idle) = (None, None);
    for [field, value] in fields {
        match *field {
            [b'.', key @ ..] => {
                let value = std::str::from_utf8(value).unwrap_or(NOT_JSON);
                // What is not UTF-8 is no JSON either: a value that cannot be decoded, under a key that can be named.
                record.data.insert(String::from_utf8_lossy(key).into_owned(), value.to_owned());
            }
            [b'g'] => generation = Some(number("g", value)?),
            [b'b'] => record.born = moment("b", value)?,
            [b'r'] => record.rotated = Some(moment("r", value)?),
            [b'i'] => idle = Some(Duration::from_millis(number("i", value)?)),
            [b'o'] => record.life.own = *value == b"1",
            [b'e'] => record.life.end = Some(moment("e", value)?),
            [b'u'] => record.user = Some(text(value)?.to_owned()),
            [b'a'] => record.seen.addresses = Lately::from_lines(noted_text(value).to_owned()),
            [b'h'] => record.seen.agents = Lately::from_lines(noted_text(value).to_owned()),
            [b'd'] => noted(&mut record.seen, value),
            // What is not as we write it counts as none, and is written anew.
            [b'm'] => record.membership = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok()),
            // The version was read; sizes and recognised writes are the scripts' own; other fields are a later version's.
            _ => {}
        }
    }
    let (Some(generation), Some(idle)) = (generation, idle) else {
        return Err(corrupt("a field is missing"));
    };
    record.generation = generation;
    record.life = Life { idle, ..record.life };
    Ok(Loaded::Found(Box::new(record)))
}

/// Stands for a value that is not text.
const NOT_JSON: &str = "\u{fffd}";

/// A key without a time to live (-1) has nothing left of it: the next slide gives it one.
fn left(pttl: &Value) -> Result<Duration, Unavailable> {
    match pttl {
        Value::Int(left) => Ok(Duration::from_millis(u64::try_from(*left).unwrap_or(0))),
        other => Err(corrupt(&format!("its time to live reads {other:?}"))),
    }
}

/// What is noted of what was seen. It decides nothing, so what cannot be read counts as not noted.
fn noted(seen: &mut Seen, value: &[u8]) {
    let mut numbers = value.split(|byte| *byte == b' ').map_while(digits);
    let mut next = || numbers.next().unwrap_or_default();
    seen.at = Timestamp::from_millis(next());
    let mut count = || u32::try_from(next()).unwrap_or(u32::MAX);
    (seen.address_changes, seen.agent_changes, seen.returns) = (count(), count(), count());
}

/// What is noted decides nothing: what is no text counts as not noted.
fn noted_text(value: &[u8]) -> &str {
    std::str::from_utf8(value).unwrap_or_default()
}

fn moment(field: &str, value: &[u8]) -> Result<Timestamp, Unavailable> {
    number(field, value).map(Timestamp::from_millis)
}

fn number<N: TryFrom<u64>>(field: &str, value: &[u8]) -> Result<N, Unavailable> {
    let number = digits(value).and_then(|number| N::try_from(number).ok());
    number.ok_or_else(|| corrupt(&format!("field {field} is not a number")))
}

fn digits(text: &[u8]) -> Option<u64> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let number = text.iter().try_fold(0_u64, |number, byte| number.checked_mul(10)?.checked_add(digit(byte)?));
    number.filter(|_| !text.is_empty())
}

/// Of a field that decides.
fn text(value: &[u8]) -> Result<&str, Unavailable> {
    std::str::from_utf8(value).map_err(|_| corrupt("a field is not UTF-8"))
}

fn corrupt(reason: &str) -> Unavailable {
    Unavailable::new(UnavailableKind::Corrupt, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(fields: &[(&str, &str)]) -> Value {
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        Value::Array(fields.iter().flat_map(|(field, value)| [bulk(field), bulk(value)]).collect())
    }

    #[test]
    fn a_record_is_read_whole_and_unknown_fields_are_left_alone() {
        let fields = [("v", "1"), ("g", "3"), ("i", "60000"), ("b", "5"), ("z", "later"), (".n", "7"), (".", "1")];
        let Ok(Loaded::Found(record)) = loaded(&hash(&fields), &Value::Int(1500)) else { panic!("a record") };
        assert_eq!((record.generation, record.life.idle), (3, Duration::from_secs(60)));
        assert_eq!(record.expires_in, Duration::from_millis(1500));
        assert_eq!(record.data, [(String::new(), "1".into()), ("n".into(), "7".into())].into());
    }

    #[test]
    fn a_broken_or_newer_record_is_an_error_and_never_half_the_data() {
        let kind = |fields: &[(&str, &str)]| loaded(&hash(fields), &Value::Int(1)).expect_err("refused").kind();
        assert_eq!(kind(&[("v", "1"), ("g", "x"), ("i", "1")]), UnavailableKind::Corrupt);
        assert_eq!(kind(&[("v", "1"), ("g", "1")]), UnavailableKind::Corrupt);
        assert_eq!(kind(&[("unrelated", "1")]), UnavailableKind::Corrupt);
        assert_eq!(kind(&[("g", "a new form"), ("v", "2")]), UnavailableKind::Newer);
    }

    #[test]
    fn what_is_not_utf_8_harms_its_own_key_alone_and_an_unknown_field_nothing() {
        let bulk = |bytes: &[u8]| Value::BulkString(bytes.to_vec());
        let mut fields: Vec<Value> = [b"v", b"g"].iter().flat_map(|field| [bulk(*field), bulk(b"1")]).collect();
        for (field, value) in
            [(&b"i"[..], &b"1000"[..]), (b".a", b"7"), (b".bad", b"\xff"), (b"z", b"\xff"), (b"zz", b"\xff")]
        {
            fields.extend([bulk(field), bulk(value)]);
        }
        let Ok(Loaded::Found(record)) = loaded(&Value::Array(fields), &Value::Int(1)) else { panic!("a record") };
        assert_eq!(record.data.get("a").map(String::as_str), Some("7"));
        assert_eq!(record.data.get("bad").map(String::as_str), Some(NOT_JSON));
        assert_eq!(record.data.len(), 2);
    }

    #[test]
    fn an_empty_hash_is_missing_and_a_tombstone_is_one() {
        assert_eq!(loaded(&hash(&[]), &Value::Int(-2)).expect("read"), Loaded::Missing);
        assert_eq!(loaded(&hash(&[("t", "1"), ("w", "x")]), &Value::Int(9)).expect("read"), Loaded::Tombstone);
    }
}
