//! Texts of clients as they can be kept and told.

use std::borrow::Cow;

/// The longest text that is kept or told.
const TEXT_MOST: usize = 256;

/// Printable ASCII, bounded, with all else escaped: no terminal and no log is moved by what a client sends.
pub(crate) fn printable(bytes: &[u8]) -> Cow<'_, str> {
    let plain = |byte: &u8| (b' '..=b'~').contains(byte);
    let start = &bytes[..bytes.len().min(TEXT_MOST)];
    if start.iter().all(plain) {
        return String::from_utf8_lossy(start);
    }
    let mut text = String::new();
    for character in String::from_utf8_lossy(bytes).chars() {
        let before = text.len();
        if (' '..='~').contains(&character) {
            text.push(character);
        } else {
            text.extend(character.escape_default());
        }
        if text.len() > TEXT_MOST {
            text.truncate(before);
            break;
        }
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_is_kept_printable_and_bounded() {
        let cases: [(&[u8], &str); 5] = [
            (b"curl/8.7.1", "curl/8.7.1"),
            (b"a\tb\x1b[31mc", "a\\tb\\u{1b}[31mc"),
            ("J\u{f6}rg \u{202e}".as_bytes(), "J\\u{f6}rg \\u{202e}"),
            (b"\xff", "\\u{fffd}"),
            (b"", ""),
        ];
        for (given, kept) in cases {
            assert_eq!(printable(given), kept);
        }
        assert_eq!(printable(&[b'x'; 9000]).len(), TEXT_MOST);
        assert_eq!(printable("\u{1f980}".repeat(9000).as_bytes()), "\\u{1f980}".repeat(28));
    }
}
