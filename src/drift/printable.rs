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
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let plain = (' '..='~').contains(&character);
            let added = if plain { push(&mut text, [character]) } else { push(&mut text, character.escape_default()) };
            if !added {
                return Cow::Owned(text);
            }
        }
        // Bytes of another encoding stay apart from each other: what differs in them is not the same.
        for byte in chunk.invalid() {
            if !push(&mut text, byte.escape_ascii().map(char::from)) {
                return Cow::Owned(text);
            }
        }
    }
    Cow::Owned(text)
}

/// Adds all of this, if there is room for all of it.
fn push(text: &mut String, more: impl IntoIterator<Item = char>) -> bool {
    let before = text.len();
    text.extend(more);
    let fits = text.len() <= TEXT_MOST;
    if !fits {
        text.truncate(before);
    }
    fits
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
            (b"J\xf6rg \xff", "J\\xf6rg \\xff"),
            (b"", ""),
        ];
        for (given, kept) in cases {
            assert_eq!(printable(given), kept);
        }
        assert_eq!(printable(&[b'x'; 9000]).len(), TEXT_MOST);
        assert_eq!(printable("\u{1f980}".repeat(9000).as_bytes()), "\\u{1f980}".repeat(28));
    }
}
