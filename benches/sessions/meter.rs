//! What a round took: of this thread, and of the servers.

use std::fs;

use crate::harness::{RedisServer, info};

/// Microseconds of CPU, and commands, since they were started.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    pub(crate) own: f64,
    pub(crate) redis: f64,
    /// Also those inside scripts.
    pub(crate) commands: f64,
}

impl Meter {
    pub(crate) async fn read(servers: &[RedisServer]) -> Self {
        let mut all = Self { own: own(), ..Self::default() };
        for server in servers {
            let text = server.cli(&["INFO", "everything"]).await;
            let number = |name: &str| info(&text, name).and_then(|text| text.parse::<f64>().ok()).expect("a number");
            all.redis += (number("used_cpu_user") + number("used_cpu_sys")) * 1e6;
            all.commands += number("total_commands_processed");
        }
        all
    }

    /// Of each of so many calls, since then.
    pub(crate) fn since(self, earlier: Self, calls: u64) -> Self {
        let calls = f64::from(u32::try_from(calls).expect("not so many"));
        Self {
            own: (self.own - earlier.own) / calls,
            redis: (self.redis - earlier.redis) / calls,
            commands: (self.commands - earlier.commands) / calls,
        }
    }
}

/// What this thread has run, as the scheduler counts it.
fn own() -> f64 {
    let account = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    account.split(' ').next().and_then(|nanos| nanos.parse::<f64>().ok()).expect("a number") / 1e3
}

/// The lowest, the median and the highest.
pub(crate) fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
