//! How far replication is, by what a node says of it. Pure.

use super::cli::info;

/// Whether it is a replica that its master sends what is written.
pub(super) fn is_in_step(replication: &str) -> bool {
    info(replication, "master_link_status") == Some("up")
}

/// Whether it does its part, as a master or as a replica.
pub(super) fn is_well(replication: &str) -> bool {
    streams(replication) || is_in_step(replication)
}

/// Whether it is a master that sends its replicas what is written: not before each has said how far it is. By what it
/// says of replication.
fn streams(replication: &str) -> bool {
    let silent = |line: &str| line.starts_with("slave") && line.contains(",offset=0,");
    info(replication, "role") == Some("master") && !replication.lines().any(silent)
}

/// Whether it is a master whose replicas have said that they have all that was written.
pub(super) fn is_copied(replication: &str) -> bool {
    let Some(end) = info(replication, "master_repl_offset") else { return false };
    let mut replicas = replication.lines().filter(|line| line.starts_with("slave") && line.contains(",offset="));
    streams(replication) && replicas.all(|line| line.contains(&format!(",offset={end},")))
}
