//! Clients that leave, and instances that end.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::harness::{Fleet, record_key};

#[tokio::test]
async fn sigterm_lets_requests_in_flight_end_and_exits_0() {
    let fleet = Fleet::start(2).await;
    let browser = fleet.browser();
    browser.get("/count").send().await;
    let monitor = fleet.redis.monitor().await;
    let slow = tokio::spawn(browser.get("/slow?ms=300&k=a&v=b").send());
    monitor.heard("\"HGETALL\" \"stickless:s:", 1).await;
    let status = fleet.instances[0].terminate().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(slow.await.expect("no panic").status, 204);
    assert_eq!(browser.at(fleet.url(1)).get("/exists?k=a").send().await.json()["exists"], true);
}

#[tokio::test]
async fn a_client_that_leaves_leaves_all_of_its_write_or_nothing() {
    let fleet = Fleet::start(1).await;
    let browser = fleet.browser();
    browser.post("/append?k=list&v=first").send().await;
    let cookie = browser.cookie().expect("a session");
    let leave = async |number: u64| {
        let mut stream = TcpStream::connect(("127.0.0.1", fleet.instances[0].port())).await.expect("it listens");
        let request = format!("POST /append?k=list&v={number} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        sleep(Duration::from_millis(number * 2)).await;
    };
    join_all((0..100).map(leave)).await;
    sleep(Duration::from_millis(200)).await;
    let dump = browser.get("/dump").send().await.json();
    let list = dump["data"]["list"].as_array().expect("a list").clone();
    let distinct: BTreeSet<_> = list.iter().map(ToString::to_string).collect();
    assert_eq!(distinct.len(), list.len(), "{list:?}");
    println!("{} of 100 were done", list.len() - 1);
    assert!((2..101).contains(&list.len()), "all left too early, or too late: {list:?}");
    // The sizes that the record keeps of itself are right.
    let record = fleet.redis.hash(&record_key(&cookie)).await;
    let own: Vec<_> = record.iter().filter(|(field, _)| field.starts_with('.')).collect();
    let bytes: usize = own.iter().map(|(field, value)| field.len() - 1 + value.len()).sum();
    assert_eq!(record["n"], format!("{} {bytes}", own.len()));
    // And the connection to the store serves the next.
    assert_eq!(browser.get("/count").send().await.json()["count"], 1);
}
