//! Many requests at once, over three instances on one Redis.

mod log_ins;
mod rolls;
mod traffic;
mod values;

pub(crate) use traffic::Traffic;
