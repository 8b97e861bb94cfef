//! What passes between the store and Redis, over a wire that loses, holds and invents replies.

mod budgets;
mod connections;
mod durability;
mod late;
mod lost_replies;
mod memory_full;
mod refusals;
mod repeats;
mod replicas;
mod sentinels;
mod settings;
mod wire;
