//! Settings of the server that log users out, where it lets us see them. Pure.
//!
//! What each costs when it is wrong stands in `docs/redis.md`.

use redis::{Pipeline, Value};

/// Something that the operator should know of the server's settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Advice {
    /// The server removes sessions when its memory is full. With the policy.
    Evicts(String),
    /// A restart of the server loses all sessions.
    KeepsNothing,
    /// A master that is cut off from its replicas goes on taking writes, which a failover loses.
    WritesAlone,
}

/// Adds the questions.
pub(super) fn ask(pipe: &mut Pipeline) {
    pipe.cmd("INFO").arg("memory").cmd("INFO").arg("persistence").cmd("CONFIG").arg("GET").arg("save");
}

/// How many replies.
const REPLIES: usize = 3;

/// What the replies say; one that was refused says nothing.
pub(super) fn of(replication: &str, replies: &[Value]) -> Vec<Advice> {
    let Some([memory, persistence, save]) = replies.first_chunk::<REPLIES>() else { return Vec::new() };
    let (memory, persistence) = (text(memory), text(persistence));
    let mut advice = Vec::new();
    if let Some(policy) = field(&memory, "maxmemory_policy").filter(|policy| *policy != "noeviction") {
        advice.push(Advice::Evicts(policy.to_owned()));
    }
    // Both must be known: no append-only file, and no snapshots either.
    if field(&persistence, "aof_enabled") == Some("0") && saves(save) == Some(false) {
        advice.push(Advice::KeepsNothing);
    }
    let replicas = field(replication, "connected_slaves").and_then(|count| count.parse::<u32>().ok());
    // This line is there only where a number of replicas is asked for.
    if replicas.is_some_and(|count| count > 0) && field(replication, "min_slaves_good_slaves").is_none() {
        advice.push(Advice::WritesAlone);
    }
    advice
}

/// Whether snapshots are taken, from the reply of `CONFIG GET save`.
fn saves(reply: &Value) -> Option<bool> {
    match reply {
        Value::Array(items) => match items.as_slice() {
            [_, Value::BulkString(points)] => Some(!points.is_empty()),
            _ => None,
        },
        _ => None,
    }
}

/// The text of an `INFO` reply; empty where it was refused.
pub(super) fn text(reply: &Value) -> String {
    match reply {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text.clone(),
        _ => String::new(),
    }
}

/// A field of an `INFO` reply.
pub(super) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn replies(policy: &str, aof: &str, save: &str) -> [Value; 3] {
        let save = Value::Array(vec![bulk("save"), bulk(save)]);
        [bulk(&format!("# Memory\r\nmaxmemory_policy:{policy}\r\n")), bulk(&format!("aof_enabled:{aof}\r\n")), save]
    }

    #[test]
    fn each_wrong_setting_is_told_and_a_right_one_is_not() {
        let replicated = "role:master\r\nconnected_slaves:2\r\n";
        let guarded = "connected_slaves:2\r\nmin_slaves_good_slaves:2\r\n";
        let cases = [
            ("", replies("noeviction", "1", ""), vec![]),
            ("", replies("noeviction", "0", "3600 1"), vec![]),
            ("connected_slaves:0\r\n", replies("volatile-ttl", "1", ""), vec![Advice::Evicts("volatile-ttl".into())]),
            ("", replies("noeviction", "0", ""), vec![Advice::KeepsNothing]),
            (replicated, replies("noeviction", "1", ""), vec![Advice::WritesAlone]),
            (guarded, replies("noeviction", "1", ""), vec![]),
        ];
        for (replication, replies, advice) in cases {
            assert_eq!(of(replication, &replies), advice, "{replication} {replies:?}");
        }
    }

    #[test]
    fn what_may_not_be_asked_is_not_guessed() {
        let denied = || redis::parse_redis_value(b"-NOPERM no\r\n").expect("RESP");
        assert_eq!(of("", &[denied(), denied(), denied()]), []);
        assert_eq!(of("", &[denied(), bulk("aof_enabled:0\r\n"), denied()]), []);
        assert_eq!(of("", &[]), []);
    }
}
