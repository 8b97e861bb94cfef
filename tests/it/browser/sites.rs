//! Requests that begin on another site: links, forms, frames.

use serde_json::json;

use super::{SHOP, Site};
use crate::harness::{Chromium, Tab};

/// Another site than `SHOP`: its registrable domain differs.
const ELSEWHERE: &str = "example.org";

/// Logs in, then comes back by a link and by a form of another site: the user that the link's request shows, and
/// the value that the form's request took out of the session.
async fn come_from_elsewhere(site: &Site, tab: &Tab) -> (serde_json::Value, serde_json::Value) {
    site.log_in(tab, SHOP, "ada").await;
    assert_eq!(tab.fetch("POST", "/set?k=gift&v=here").await, 204);

    let link = format!("<a href='{}'>to the shop</a>", site.at(SHOP, "/me"));
    show(site, tab, ELSEWHERE, &link).await;
    tab.click("a").await;
    tab.until("location.pathname == '/me' && document.readyState == 'complete'").await;
    let user = tab.json().await["user"].clone();

    let form = format!("<form method=post action='{}'><button>win</button></form>", site.at(SHOP, "/take?k=gift"));
    show(site, tab, ELSEWHERE, &form).await;
    tab.click("button").await;
    tab.until("location.pathname == '/take' && document.readyState == 'complete'").await;
    (user, tab.json().await["value"].clone())
}

/// Shows some HTML as a page of a host.
async fn show(site: &Site, tab: &Tab, host: &str, html: &str) {
    tab.open(site.at(host, "/static")).await;
    tab.eval(&format!("document.body.innerHTML = {}", json!(html))).await;
}

#[tokio::test]
async fn a_lax_cookie_is_sent_with_a_link_from_another_site_and_not_with_a_form() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[("COOKIE_SAME_SITE", "lax")]).await;
    assert_eq!(come_from_elsewhere(&site, tab).await, (json!("ada"), json!(null)));
    assert_eq!(site.me(tab, SHOP).await["user"], "ada");
}

#[tokio::test]
async fn a_strict_cookie_is_sent_with_neither_and_is_there_afterwards() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[("COOKIE_SAME_SITE", "strict")]).await;
    assert_eq!(come_from_elsewhere(&site, tab).await, (json!(null), json!(null)));
    assert_eq!(site.me(tab, SHOP).await["user"], "ada");
}

/// What cannot be told from a first visit: the browser keeps the cookie back and takes a new one.
#[tokio::test]
async fn what_is_stored_on_the_way_from_another_site_without_the_strict_cookie_begins_another_session() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[("COOKIE_SAME_SITE", "strict")]).await;
    site.log_in(tab, SHOP, "ada").await;
    show(&site, tab, ELSEWHERE, &format!("<a href='{}'>to the shop</a>", site.at(SHOP, "/count"))).await;
    tab.click("a").await;
    tab.until("location.pathname == '/count' && document.readyState == 'complete'").await;
    assert_eq!(tab.json().await, json!({ "count": 1, "session": false }));
    assert_eq!(site.me(tab, SHOP).await["user"], json!(null));
}

#[tokio::test]
async fn a_cookie_of_same_site_none_is_sent_with_both() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[("COOKIE_SAME_SITE", "none")]).await;
    assert_eq!(come_from_elsewhere(&site, tab).await, (json!("ada"), json!("here")));
}

/// The counter in a frame of the shop on a page of `around`.
async fn count_in_a_frame(site: &Site, tab: &Tab, around: &str) -> serde_json::Value {
    let frame = format!("<iframe src='{}' onload='this.dataset.there = 1'></iframe>", site.at(SHOP, "/count"));
    show(site, tab, around, &frame).await;
    // Until then it is an empty one, which the driver would enter and lose.
    tab.until("document.querySelector('iframe').dataset.there").await;
    tab.enter_frame("iframe").await;
    tab.until("location.pathname == '/count' && document.readyState == 'complete'").await;
    tab.json().await["count"].clone()
}

#[tokio::test]
async fn a_partitioned_cookie_in_a_frame_is_another_one_for_each_site_around_it() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let env = [("COOKIE_PARTITIONED", "true"), ("COOKIE_SAME_SITE", "none"), ("COOKIE_NAME", "__Host-sid")];
    let site = Site::start(&chromium, &env).await;
    assert_eq!(count_in_a_frame(&site, tab, "example.org").await, 1);
    assert_eq!(count_in_a_frame(&site, tab, "www.example.org").await, 2, "the same site, the same cookie");
    assert_eq!(count_in_a_frame(&site, tab, "example.net").await, 1, "another site, another cookie");
    tab.open(site.at(SHOP, "/count")).await;
    assert_eq!(tab.json().await["count"], 1, "by itself, a third one");
    assert_eq!(count_in_a_frame(&site, tab, "example.org").await, 3);
    assert_eq!(tab.cookies().await.len(), 3);
}

#[tokio::test]
async fn a_lax_cookie_in_a_frame_of_another_site_is_neither_kept_nor_sent() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[]).await;
    site.log_in(tab, SHOP, "ada").await;
    let cookies = tab.cookies().await;
    for _ in 0..2 {
        assert_eq!(count_in_a_frame(&site, tab, ELSEWHERE).await, 1);
    }
    assert_eq!(tab.cookies().await, cookies);
    assert_eq!(site.me(tab, SHOP).await["count"], 0);
}
