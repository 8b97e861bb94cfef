//! An instance whose clock is wrong, beside two whose clocks are right, harms nobody.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use crate::harness::{Browser, Fleet, Instance, TempDir, record_key};
use crate::load::{Load, Plan, Rules};
use crate::until;

/// Limits have tests of their own.
const RULES: Rules = Rules { budget: Duration::from_secs(3), plain: Duration::from_secs(1), ..Rules::new() };

/// Two instances with right clocks, and a third that is run by faketime.
async fn beside(clock: &str, env: &[(&str, &str)]) -> Fleet {
    let mut fleet = Fleet::start_with(2, env).await;
    // Elapsed time is real: a wrong clock on the wall is the case, not a broken processor.
    let third = fleet.env(&[env, &[("DONT_FAKE_MONOTONIC", "1")]].concat());
    fleet.instances.push(Instance::start_under(&["faketime", "-m", "-f", clock], &third).await);
    fleet
}

/// How many seconds a process with this environment is ahead of this one.
fn ahead(env: &[(&str, &str)]) -> i64 {
    let said = Command::new("date").arg("+%s").envs(env.iter().copied()).output().expect("date runs").stdout;
    let said: i64 = String::from_utf8_lossy(&said).trim().parse().expect("seconds");
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    said - i64::try_from(now).expect("before 2262")
}

/// How many seconds the third instance was ahead of the first when they started, as they wrote it into their logs.
async fn ahead_at_start(fleet: &Fleet) -> i64 {
    let mut seconds = [0; 2];
    for (turn, seconds) in [0, 2].into_iter().zip(&mut seconds) {
        // The first line, such as 2026-11-21T09:06:54.652749Z …
        let line = fleet.instances[turn].logged("").await;
        let part = |at: usize| line[at..at + 2].parse::<i64>().expect("a number");
        *seconds = part(11) * 3600 + part(14) * 60 + part(17);
    }
    // The shorter way around midnight.
    (seconds[1] - seconds[0] + 43_200).rem_euclid(86_400) - 43_200
}

async fn left(fleet: &Fleet, browser: &Browser) -> u64 {
    let key = record_key(&browser.cookie().expect("a session"));
    fleet.redis.cli(&["PTTL", &key]).await.parse().expect("a time to live")
}

#[tokio::test]
async fn an_instance_ten_minutes_ahead_or_behind_is_noticed_by_nobody() {
    for (clock, seconds) in [("+10m", 600), ("-10m", -600)] {
        let fleet = beside(clock, &[("SESSION_IDLE", "100")]).await;
        let ahead = ahead_at_start(&fleet).await;
        // What it takes to start three is less than a minute.
        assert!((ahead - seconds).abs() <= 60, "its clock is {ahead} s ahead, not {seconds}");
        let load = Load::start(&fleet.urls(), Plan::brisk()).await;
        load.pass(Duration::from_millis(400)).await;
        let seen = load.stop().await.check(&RULES);
        println!("{clock}: {seen}");
        seen.assert_undisturbed();
    }
}

#[tokio::test]
async fn limits_are_the_stores_whatever_time_an_instance_has() {
    let env = [("SESSION_IDLE", "100"), ("SESSION_REFRESH_WITHIN", "50"), ("SESSION_ABSOLUTE", "300")];
    for clock in ["+10m", "-10m"] {
        let fleet = beside(clock, &env).await;
        for first in 0..3 {
            let browser = Browser::new(fleet.url(first));
            let created = browser.get("/count").send().await;
            assert!(created.set_cookies()[0].contains("; Max-Age=300"), "{:?}", created.set_cookies());
            let key = record_key(&browser.cookie().expect("a session"));
            let now = fleet.redis.cli(&["TIME"]).await;
            let now: u64 = now.lines().next().and_then(|seconds| seconds.parse().ok()).expect("seconds");
            let end: u64 = fleet.redis.cli(&["HGET", &key, "e"]).await.parse().expect("milliseconds");
            assert!((298..=301).contains(&(end / 1000 - now)), "{clock}");
            assert!((98_000..=100_000).contains(&left(&fleet, &browser).await), "{clock}");
            for turn in 0..3 {
                // Neither too early nor too late to slide.
                fleet.redis.cli(&["PEXPIRE", &key, "60000"]).await;
                let me = browser.at(fleet.url(turn)).get("/me").send().await;
                assert_eq!((me.status, me.set_cookies().len()), (200, 0));
                sleep(Duration::from_millis(30)).await;
                assert!(left(&fleet, &browser).await <= 60_000, "{clock}");
                fleet.redis.cli(&["PEXPIRE", &key, "40000"]).await;
                browser.at(fleet.url(turn)).get("/me").send().await;
                until("it slides", async || left(&fleet, &browser).await > 95_000).await;
            }
        }
    }
}

#[tokio::test]
async fn a_cookie_from_before_a_log_in_is_stale_on_an_instance_with_a_wrong_clock_too() {
    for clock in ["+10m", "-10m"] {
        let fleet = beside(clock, &[]).await;
        for first in [0, 2] {
            let (browser, behind) = (Browser::new(fleet.url(first)), Browser::new(fleet.url(0)));
            browser.get("/count").send().await;
            let before = browser.cookie().expect("a session");
            behind.set_cookie("sid", before.trim_start_matches("sid="));
            browser.post("/login?user=ada").send().await;
            for turn in 0..3 {
                let count = behind.at(fleet.url(turn)).get("/count").send().await;
                assert_eq!((count.status, count.set_cookies().len()), (409, 0), "{clock}");
                assert_eq!(browser.at(fleet.url(turn)).get("/me").send().await.json()["user"], "ada", "{clock}");
            }
        }
    }
}

#[tokio::test]
async fn of_cookies_from_instances_with_different_clocks_the_newest_still_wins() {
    let fleet = beside("+10m", &[]).await;
    let (older, newer) = (Browser::new(fleet.url(2)), Browser::new(fleet.url(0)));
    older.post("/login?user=older").send().await;
    sleep(Duration::from_millis(2100)).await;
    newer.post("/login?user=newer").send().await;
    let both = [&older, &newer].map(|browser| browser.cookie().expect("logged in")).join("; ");
    for turn in 0..3 {
        let me = Browser::new(fleet.url(turn)).get("/me").cookie(&both).send().await;
        assert_eq!(me.json()["user"], "newer");
    }
}

/// For a process whose clock a file turns, such as `+1h`.
pub(crate) fn turning(file: &str) -> [(&str, &str); 4] {
    [
        ("LD_PRELOAD", library()),
        ("FAKETIME_TIMESTAMP_FILE", file),
        ("FAKETIME_NO_CACHE", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ]
}

/// The faketime library, which reads the time that a file says, again and again.
fn library() -> &'static str {
    const PLACES: [&str; 3] = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/faketime/libfaketimeMT.so.1",
    ];
    PLACES.into_iter().find(|place| Path::new(place).exists()).expect("libfaketime: apt-get install faketime")
}

#[tokio::test]
async fn a_clock_that_jumps_an_hour_forth_and_back_is_noticed_by_nobody() {
    let dir = TempDir::new("clock").expect("a directory");
    let file = dir.write("clock", "+0s\n").expect("a file");
    let env = [("SESSION_IDLE", "100"), ("SESSION_REFRESH_WITHIN", "100"), ("SESSION_ABSOLUTE", "200")];
    let mut fleet = Fleet::start_with(2, &env).await;
    let path = file.display().to_string();
    let jumping = turning(&path);
    let third = fleet.env(&[&env[..], &jumping].concat());
    fleet.instances.push(Instance::start(&third).await);
    let load = Load::start(&fleet.urls(), Plan::brisk()).await;
    for (clock, seconds) in [("+1h\n", 3600), ("-1h\n", -3600), ("+0s\n", 0)] {
        fs::write(&file, clock).expect("a file");
        sleep(Duration::from_millis(300)).await;
        let ahead = ahead(&jumping);
        // What it takes to start three is less than a minute.
        assert!((ahead - seconds).abs() <= 60, "its clock is {ahead} s ahead, not {seconds}");
    }
    let seen = load.stop().await.check(&RULES);
    println!("{seen}");
    seen.assert_undisturbed();
}
