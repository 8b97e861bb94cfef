//! The lines of a header as one list (RFC 9110, section 5.3).

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::white_space::trim;

/// The last line of each of these headers. One pass: to look each of them up by its hash takes three times as long.
pub(super) fn last_lines<'a, const N: usize>(
    headers: &'a HeaderMap,
    names: [&HeaderName; N],
) -> [Option<&'a HeaderValue>; N] {
    let mut lines = [None; N];
    for (name, value) in headers {
        if let Some(at) = names.iter().position(|wanted| *wanted == name) {
            lines[at] = Some(value);
        }
    }
    lines
}

/// The elements of all lines, the last one first. An empty element is a hop that said nothing, so it is not left out.
/// What stands before the last line is looked up when the walk comes there.
pub(super) fn from_right<'a>(
    last: Option<&'a HeaderValue>,
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    let others = std::iter::once(()).flat_map(move |()| headers.get_all(name).iter().rev().skip(1));
    last.into_iter().chain(others).flat_map(|line| Elements::of(line.as_bytes(), last_comma)).map(trim)
}

/// The last element of a line.
pub(super) fn last_element(line: &HeaderValue) -> &[u8] {
    let line = line.as_bytes();
    trim(last_comma(line).map_or(line, |comma| &line[comma + 1..]))
}

/// Where the last element of a line begins: behind this comma.
pub(super) fn last_comma(line: &[u8]) -> Option<usize> {
    memchr::memrchr(b',', line)
}

/// The elements of a line as they stand there, the last one first. A line without any is one empty element.
pub(super) struct Elements<'a, F> {
    left: Option<&'a [u8]>,
    last_comma: F,
}

impl<'a, F: Fn(&[u8]) -> Option<usize>> Elements<'a, F> {
    /// The elements that these commas part.
    pub(super) fn of(line: &'a [u8], last_comma: F) -> Self {
        Self { left: Some(line), last_comma }
    }
}

impl<'a, F: Fn(&[u8]) -> Option<usize>> Iterator for Elements<'a, F> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.left?;
        let comma = (self.last_comma)(left);
        self.left = comma.map(|comma| &left[..comma]);
        Some(comma.map_or(left, |comma| &left[comma + 1..]))
    }
}
