//! Values as JSON text. What is wrong with one is told without quoting it.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind};

pub(super) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::with_source(ErrorKind::Undecodable, Shape::of(&error)))
}

pub(super) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::with_source(ErrorKind::Serialize, error))
}

/// Where a value's shape differs, without the value that serde's own message may quote.
#[derive(Debug)]
struct Shape {
    category: serde_json::error::Category,
    column: usize,
}

impl Shape {
    fn of(error: &serde_json::Error) -> Self {
        Self { category: error.classify(), column: error.column() }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} error at column {}", self.category, self.column)
    }
}

impl std::error::Error for Shape {}
