//! One user in two browsers.

use super::page::{click, log_in};
use super::{SHOP, Site};
use crate::harness::{Chromium, Tab};

/// Two browsers at the page of three instances, where nobody is logged in.
async fn open(env: &[(&str, &str)]) -> ([Chromium; 2], Site) {
    let browsers = [Chromium::turn().await, Chromium::another_turn().await];
    let site = Site::start_on(3, &browsers[0], env).await;
    for browser in &browsers {
        browser.tab().open(site.at(SHOP, "/")).await;
    }
    (browsers, site)
}

/// How many sessions of the user the page lists.
async fn listed(tab: &Tab) -> usize {
    click(tab, "#refresh").await;
    tab.text("#device-list").await.lines().filter(|line| line.contains("Linux")).count()
}

/// After the session was ended elsewhere: the next click says so and shows the form, and the form works.
async fn log_in_again(tab: &Tab, user: &str) {
    click(tab, "#add").await;
    assert!(tab.text("#banner").await.contains("was ended"), "{}", tab.text("#banner").await);
    assert_eq!([tab.text("#user").await, tab.text("#state").await], ["nobody yet", "stale"]);
    assert_eq!([tab.text("#values").await, tab.text("#left").await], ["", "no session yet"], "nothing of it is left");
    log_in(tab, user).await;
    assert_eq!([tab.text("#user").await, tab.text("#banner").await], [user, ""]);
    click(tab, "#add").await;
    assert_eq!(tab.text("#count").await, "1");
}

#[tokio::test]
async fn a_log_in_on_one_browser_shows_in_the_other_and_one_ends_the_other() {
    let ([mine, other], _site) = open(&[]).await;
    let (mine, other) = (mine.tab(), other.tab());
    log_in(mine, "ada").await;
    assert_eq!(listed(mine).await, 1);
    log_in(other, "ada").await;
    click(other, "#add").await;
    assert_eq!([listed(mine).await, listed(other).await], [2, 2]);
    assert_eq!(mine.eval("document.querySelectorAll('#device-list .tag').length").await, 1, "this one");

    click(mine, "#device-list button").await;
    assert_eq!(listed(mine).await, 1);
    log_in_again(other, "ada").await;
    assert_eq!([listed(mine).await, listed(other).await], [2, 2]);
    assert_eq!([mine.text("#user").await, other.text("#user").await], ["ada", "ada"]);
}

#[tokio::test]
async fn a_browser_logs_out_the_others_and_then_all() {
    let ([mine, other], _site) = open(&[]).await;
    let (mine, other) = (mine.tab(), other.tab());
    log_in(other, "ada").await;
    log_in(mine, "ada").await;

    click(mine, "#others").await;
    assert_eq!([mine.text("#user").await, listed(mine).await.to_string()], ["ada", "1"]);
    log_in_again(other, "ada").await;

    click(mine, "#everywhere").await;
    assert_eq!(mine.text("#user").await, "nobody yet");
    assert_eq!(mine.eval("document.getElementById('devices').hidden").await, true);
    log_in_again(other, "bob").await;
    log_in(mine, "ada").await;
    assert_eq!([listed(mine).await, listed(other).await], [1, 1]);
}

#[tokio::test]
async fn a_log_in_above_the_limit_is_refused_in_words_and_works_once_there_is_room() {
    let ([mine, other], _site) = open(&[("SESSION_CAP", "1:refuse")]).await;
    let (mine, other) = (mine.tab(), other.tab());
    log_in(other, "ada").await;
    log_in(mine, "ada").await;
    assert!(mine.text("#banner").await.contains("as many sessions as are allowed"));
    assert_eq!(mine.text("#user").await, "nobody yet");
    click(other, "#log-out").await;
    click(mine, "#log-in button").await;
    assert_eq!([mine.text("#user").await, mine.text("#banner").await], ["ada", ""]);
}
