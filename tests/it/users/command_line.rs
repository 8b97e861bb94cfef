//! The administrator's command line.

use std::process::Command;

use super::{logged_in, own, user};
use crate::harness::{Fleet, binary};

/// Exit status and output.
async fn sessions(fleet: &Fleet, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(binary("sessions").unwrap_or_else(|error| panic!("{error}")));
    command.args(["--store", &fleet.redis.url()]).args(args);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic").expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test]
async fn an_administrator_lists_shows_and_ends_sessions_on_the_command_line() {
    let fleet = Fleet::start(1).await;
    let [first, second] = [logged_in(&fleet, 0, "ada").await, logged_in(&fleet, 0, "ada").await];
    first.post("/set?k=secret&v=treasure").send().await;
    let handle = own(&first).await;
    let (status, listed) = sessions(&fleet, &["list", "ada"]).await;
    assert_eq!((status, listed.lines().count()), (Some(0), 2));
    assert!(listed.contains(&handle));
    let (status, shown) = sessions(&fleet, &["show", &handle]).await;
    assert_eq!(status, Some(0));
    assert!(shown.contains("ada") && shown.contains("values      1 of") && !shown.contains("treasure"), "{shown}");
    assert_eq!(sessions(&fleet, &["end", &handle]).await.0, Some(0));
    assert!(user(&first).await.is_null());
    for gone in [["end", &handle], ["show", &handle]] {
        assert_eq!(sessions(&fleet, &gone).await.0, Some(1));
    }
    assert_eq!(sessions(&fleet, &["end-all", "ada"]).await, (Some(0), "1 ended\n".to_owned()));
    assert!(user(&second).await.is_null());
    assert_eq!(sessions(&fleet, &["end", "nonsense"]).await.0, Some(2));
}
