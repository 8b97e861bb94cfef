//! Many requests at once, over three instances on one Redis.

mod log_ins;
mod rolls;
mod values;
