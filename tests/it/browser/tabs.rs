//! Two tabs of one browser, and its way back.

use super::{SHOP, Site};
use crate::harness::Chromium;

#[tokio::test]
async fn a_log_in_in_one_tab_holds_although_the_other_was_still_loading() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[]).await;
    tab.open(site.at(SHOP, "/count")).await;
    let before = tab.cookies().await;

    tab.open(site.at(SHOP, "/static")).await;
    let monitor = site.fleet.redis.monitor().await;
    tab.eval("void (window.other = open('/slow?ms=1500&k=theme&v=dark'))").await;
    monitor.heard("\"HGETALL\" \"stickless:s:", 1).await;
    assert_eq!(tab.fetch("POST", "/login?user=ada").await, 204);
    let cookies = tab.cookies().await;
    assert_ne!(cookies[0]["value"], before[0]["value"]);

    let tabs = tab.tabs().await;
    tab.bring_to_front(&tabs[1]).await;
    tab.until("document.body.innerText.includes('HTTP ERROR')").await;
    assert!(tab.shown().await.contains("409"), "what it had read is not the session of the user");
    assert_eq!(tab.cookies().await, cookies, "and its answer said nothing about the cookie");
    for each in &tabs {
        tab.bring_to_front(each).await;
        let me = site.me(tab, SHOP).await;
        assert_eq!((&me["user"], &me["count"]), (&"ada".into(), &1.into()));
    }
}

#[tokio::test]
async fn the_back_button_after_a_log_out_shows_nothing_of_the_session() {
    let chromium = Chromium::turn().await;
    let tab = chromium.tab();
    let site = Site::start(&chromium, &[]).await;
    for (path, kept) in [("/", false), ("/me", false), ("/dump", false), ("/page", true)] {
        site.log_in(tab, SHOP, "ada").await;
        tab.fetch("POST", "/set?k=pet&v=ada").await;
        tab.open(site.at(SHOP, path)).await;
        assert!(tab.shown().await.contains("ada"), "{path}");
        site.log_out(tab, SHOP).await;
        tab.back().await;
        assert_eq!(tab.eval("location.pathname").await, path);
        // The last one's handler asks for sixty seconds in all caches: what the browser would do by itself.
        let text = tab.shown().await;
        assert_eq!(text.contains("ada"), kept, "{path}: {text}");
    }
}
