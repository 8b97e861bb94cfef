//! Three instances behind the bundled nginx, as users meet them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::harness::{Browser, Fleet, Nginx, session_key};
use crate::load::{Load, Plan, Rules, alone, in_rounds};

async fn begin(env: &[(&str, &str)]) -> (Fleet, Nginx, Browser) {
    let fleet = Fleet::start_with(3, env).await;
    let ports: Vec<u16> = fleet.instances.iter().map(crate::harness::Instance::port).collect();
    let nginx = Nginx::start(&ports).await;
    let browser = Browser::new(nginx.url());
    (fleet, nginx, browser)
}

#[tokio::test]
async fn the_counter_goes_up_by_one_while_the_instance_changes() {
    let (_fleet, _nginx, browser) = begin(&[]).await;
    let mut instances = Vec::new();
    for count in 1..=9 {
        let answer = browser.get("/count").send().await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "count": count, "session": count > 1 })));
        assert_eq!(answer.set_cookies().len(), usize::from(count == 1));
        instances.push(answer.header("x-instance").expect("a name"));
    }
    assert!(instances.windows(2).all(|two| two[0] != two[1]), "{instances:?}");
    assert_eq!(instances.iter().collect::<BTreeSet<_>>().len(), 3, "{instances:?}");
}

#[tokio::test]
async fn of_100_parallel_additions_through_nginx_each_has_its_own_sum() {
    let (_fleet, _nginx, browser) = begin(&[]).await;
    browser.post("/login?user=ada").send().await;
    let answers = join_all((0..100).map(|_| browser.get("/count").send())).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.set_cookies().is_empty()));
    let sums: BTreeSet<u64> = answers.iter().filter_map(|answer| answer.json()["count"].as_u64()).collect();
    assert_eq!(sums, (1..=100).collect());
    let instances: BTreeSet<_> = answers.iter().filter_map(|answer| answer.header("x-instance")).collect();
    assert_eq!(instances.len(), 3);
}

#[tokio::test]
async fn a_killed_instance_loses_no_session_behind_nginx() {
    in_rounds(async || {
        let (mut fleet, nginx, browser) = begin(&[]).await;
        browser.post("/login?user=ada").send().await;
        let load = Load::start(&[nginx.url()], Plan::brisk()).await;
        load.pass(Duration::from_millis(150)).await;
        fleet.instances[1].kill();
        load.pass(Duration::from_millis(400)).await;
        fleet.instances[1].restart().await;
        load.pass(Duration::from_millis(200)).await;
        // What it had in flight: nginx asks another instance then, although the first may have done it and died before it
        // said so; but for a POST, which it does not send twice.
        let rules = Rules { refusals: &[502], may_repeat: 8, ..Rules::default() };
        let verdict = load.stop().await.check(&rules);
        println!("{verdict}");
        if !verdict.is_in_time() {
            return false;
        }
        assert!(verdict.refused() <= 8, "{verdict}");
        assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
        true
    })
    .await;
}

#[tokio::test]
async fn while_instances_and_keys_are_replaced_behind_nginx_no_request_and_none_of_1000_sessions_is_lost() {
    let _turn = alone().await;
    in_rounds(async || {
        let (mut fleet, nginx, _) = begin(&[]).await;
        let load = Load::start(&[nginx.url()], Plan::of(1000, Duration::from_secs(4))).await;
        let (old, new) = (fleet.key.clone(), session_key());
        // The runbook: first all learn the new key, then it signs.
        for keys in [format!("{old},{new}"), format!("{new},{old}")] {
            let store = fleet.redis.url();
            for instance in &mut fleet.instances {
                instance.restart_with(&[("STORE", &store), ("SESSION_KEYS", &keys)]).await;
                // nginx leaves an instance alone for one to two seconds after a failure (`fail_timeout=1s`): of three, one
                // is always there when the next goes.
                load.pass(Duration::from_millis(1200)).await;
            }
        }
        let verdict = load.stop().await.check(&Rules { may_sign_anew: true, ..Rules::default() });
        println!("{verdict}");
        verdict.is_undisturbed_in_time()
    })
    .await;
}

#[tokio::test]
async fn cookies_pass_nginx_unchanged() {
    let env = [("COOKIE_SECURE", "always"), ("COOKIE_SAME_SITE", "none"), ("COOKIE_PARTITIONED", "true")];
    let (fleet, _nginx, browser) = begin(&env).await;
    let direct = fleet.browser();
    for path in ["/login?user=ada", "/rotate", "/remember-me?days=1", "/logout"] {
        let (through, direct) = (browser.post(path).send().await, direct.post(path).send().await);
        let attributes = |lines: Vec<String>| {
            assert_eq!(lines.len(), 1, "{path}: {lines:?}");
            lines[0].split_once(';').expect("attributes").1.to_owned()
        };
        assert_eq!(attributes(through.set_cookies()), attributes(direct.set_cookies()), "{path}");
        for header in ["cache-control", "vary"] {
            assert_eq!(through.header(header), direct.header(header), "{path}: {header}");
        }
    }
}

#[tokio::test]
async fn a_503_comes_through_with_its_retry_after_and_the_cookie_is_kept() {
    let (fleet, _nginx, browser) = begin(&[]).await;
    browser.post("/login?user=ada").send().await;
    fleet.redis.freeze();
    let answer = browser.get("/me").send().await;
    assert_eq!((answer.status, answer.header("retry-after").as_deref()), (503, Some("1")));
    assert_eq!((answer.text().as_str(), answer.set_cookies().len()), ("Service Unavailable", 0));
    assert_eq!(browser.get("/static").send().await.status, 200);
    fleet.redis.thaw();
    sleep(Duration::from_millis(500)).await;
    assert_eq!(browser.get("/me").send().await.json()["user"], "ada");
}

#[tokio::test]
async fn only_websocket_upgrades_are_passed_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let nginx = Nginx::start(&[listener.local_addr().expect("its address").port()]).await;
    for (asked, passed) in [("websocket", Some("websocket")), ("WebSocket", Some("websocket")), ("h2c", None)] {
        let mut client = TcpStream::connect(("127.0.0.1", nginx.port())).await.expect("nginx listens");
        let request = format!("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: {asked}\r\n\r\n");
        client.write_all(request.as_bytes()).await.expect("nginx reads");
        let (mut instance, _) = listener.accept().await.expect("nginx connects");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(instance.read_u8().await.expect("a request"));
        }
        let head = String::from_utf8_lossy(&head).to_lowercase();
        let has = |line: &str| head.lines().any(|other| other == line);
        assert_eq!(has("upgrade: websocket"), passed.is_some(), "{head}");
        assert_eq!(has("connection: upgrade"), passed.is_some(), "{head}");
        assert!(passed.is_some() || !head.contains("upgrade"), "{head}");
    }
}
