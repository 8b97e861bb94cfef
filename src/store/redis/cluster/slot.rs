//! Which slot of a Cluster a key is in. Pure.
//!
//! As in the [Cluster specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/).

use crc::{CRC_16_XMODEM, Crc};

/// How many there are.
pub(super) const SLOTS: usize = 16384;

static CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// The slot of a key.
pub(super) fn slot(key: &str) -> u16 {
    CRC.checksum(tag(key).as_bytes()) % 16384
}

/// What is between the first `{` and the next `}`, if anything; else the whole key.
fn tag(key: &str) -> &str {
    let inside = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(inside, _)| inside);
    inside.filter(|inside| !inside.is_empty()).unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_slots_that_the_server_gives_them() {
        // As `CLUSTER KEYSLOT` answers.
        let cases = [
            ("", 0),
            ("123456789", 12739),
            ("foo", 12182),
            ("{foo}bar", 12182),
            ("a{foo}{bar}", 12182),
            ("{}foo", 9500),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015),
        ];
        for (key, wanted) in cases {
            assert_eq!(slot(key), wanted, "{key}");
        }
    }
}
