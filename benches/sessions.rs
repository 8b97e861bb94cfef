//! What many sessions cost: a read among a thousand and among a million, the bytes of one, and what shards bring.
//!
//! ```sh
//! cargo bench --bench sessions                # all of it, about five minutes, and 1 GiB
//! cargo bench --bench sessions -- flat        # or `bytes`, or `shards`
//! ```
//!
//! It ends with status 1 when a read among a million costs this process more than a tenth above one among a thousand,
//! or Redis more than a bare HGETALL does there.

#[path = "sessions/bytes.rs"]
mod bytes;
#[path = "sessions/flat.rs"]
mod flat;
#[path = "../tests/harness/lib.rs"]
mod harness;
#[path = "sessions/meter.rs"]
mod meter;
#[path = "sessions/shards.rs"]
mod shards;
#[path = "sessions/visits.rs"]
mod visits;

use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |part: &str| words.is_empty() || words.iter().any(|word| word == part);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        if wanted("bytes") {
            build_the_instance();
            bytes::print().await;
        }
        if wanted("shards") {
            shards::print().await;
        }
        if !wanted("flat") || flat::holds().await { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    })
}

/// Benches alone build no examples. Where it is built already, this takes no time.
fn build_the_instance() {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let built = Command::new(cargo).args(["build", "--release", "--example", "instance"]).status();
    assert!(built.is_ok_and(|status| status.success()), "the example instance can be built");
}
