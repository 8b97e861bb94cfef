//! The user of a log-in: an id of any bytes, as a text.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use percent_encoding::percent_decode;

/// The longest id, in bytes.
const LONGEST: usize = 1024;

/// `user` of the query. Bytes that are no text each become a character for private use, U+F700 and the byte; so do those
/// of such a character. So each id is a text of its own.
pub(crate) struct User(pub(crate) String);

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let fields = parts.uri.query().unwrap_or_default().split('&');
        let field = fields.filter_map(|field| field.strip_prefix("user=")).next_back();
        let spaced = field.ok_or((StatusCode::BAD_REQUEST, "who? `user` is missing"))?.replace('+', " ");
        let id: Vec<u8> = percent_decode(spaced.as_bytes()).collect();
        if id.len() > LONGEST {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "a user's id has 1,024 bytes at most"));
        }
        Ok(Self(text(&id)))
    }
}

fn text(id: &[u8]) -> String {
    let mut text = String::with_capacity(id.len());
    for chunk in id.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\u{F700}'..='\u{F7FF}' => text.extend(character.encode_utf8(&mut [0; 4]).bytes().map(private)),
                _ => text.push(character),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(private));
    }
    text
}

fn private(byte: u8) -> char {
    char::from_u32(0xF700 + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}
