//! The page at `/` of three instances, worked as a user does: by pointer, by keyboard, on a telephone.

use serde_json::{Value, json};

use super::{SHOP, Site};
use crate::harness::{Chromium, PATIENT, Tab};

/// A browser at the page of three instances.
async fn open(env: &[(&str, &str)]) -> (Chromium, Site) {
    let chromium = Chromium::turn().await;
    let site = Site::start_on(3, &chromium, env).await;
    chromium.tab().open(site.at(SHOP, "/")).await;
    (chromium, site)
}

/// Waits until nothing is under way that a click began.
async fn settled(tab: &Tab) {
    tab.until("!document.querySelector('[aria-disabled=true]')").await;
}

pub(super) async fn click(tab: &Tab, selector: &str) {
    tab.click(selector).await;
    settled(tab).await;
}

pub(super) async fn log_in(tab: &Tab, user: &str) {
    tab.write("#name", user).await;
    click(tab, "#log-in button").await;
}

/// What the server says, whatever the page shows.
async fn said(tab: &Tab, path: &str) -> Value {
    tab.eval(&format!("fetch('{path}').then(answer => answer.json())")).await
}

#[tokio::test]
async fn the_page_counts_on_whichever_instance_and_shows_each_in_its_colour() {
    let (chromium, site) = open(&[]).await;
    let tab = chromium.tab();
    assert_eq!(
        [tab.text("#count").await, tab.text("#state").await, tab.text("#user").await],
        ["0", "new", "nobody yet"]
    );
    let mut instances = Vec::new();
    for count in 1..=3 {
        click(tab, "#add").await;
        assert_eq!(tab.text("#count").await, count.to_string());
        assert!(tab.text("#last").await.starts_with("GET /count: 200 after "));
        let instance = tab.text("#instance").await;
        assert_eq!(tab.text("#tile").await, instance);
        instances.push(instance);
    }
    instances.sort();
    assert_eq!(instances, ["a", "b", "c"]);
    assert_eq!(said(tab, "/me").await["count"], 3);
    assert_eq!(tab.text("#state").await, "live");
    let colours = "[...document.querySelectorAll('#shares li')].map(share => getComputedStyle(share, '::before').backgroundColor)";
    assert_eq!(tab.eval(&format!("new Set({colours}).size")).await, 3);

    // What came with the page, on a new look at it.
    tab.open(site.at(SHOP, "/")).await;
    assert_eq!([tab.text("#count").await, tab.text("#state").await], ["3", "live"]);
    let foreign =
        "performance.getEntriesByType('resource').filter(entry => !entry.name.startsWith(location.origin)).length";
    assert_eq!(tab.eval(foreign).await, 0, "nothing is loaded from elsewhere");
}

#[tokio::test]
async fn twenty_requests_at_once_are_twenty_squares_and_none_is_lost() {
    let (chromium, _site) = open(&PATIENT).await;
    let tab = chromium.tab();
    click(tab, "#twenty").await;
    let numbers =
        "[...document.querySelectorAll('#squares li')].map(square => Number(square.textContent)).sort((a, b) => a - b)";
    let wanted: Vec<u64> = (2..=21).collect();
    assert_eq!(tab.eval(numbers).await, json!(wanted), "after the first, which began the session");
    let colours = "new Set([...document.querySelectorAll('#squares li')].map(square => getComputedStyle(square).backgroundColor)).size";
    assert_eq!(tab.eval(colours).await, 3);
    assert!(tab.text("#verdict").await.starts_with("1 + 20 = 21: none lost."));
    assert_eq!([json!(tab.text("#count").await), said(tab, "/me").await["count"].clone()], [json!("21"), json!(21)]);

    // The page would tell: an answer that repeats another one's sum is a lost addition.
    tab.eval(
        "void (window.asked = window.fetch, window.fetch = async (path, options) => {
        const answer = await asked(path, options);
        const json = await answer.clone().json().catch(() => null);
        return json?.count === 30 ? new Response('{\"count\":29}', { headers: answer.headers }) : answer;
    })",
    )
    .await;
    click(tab, "#twenty").await;
    assert!(tab.text("#verdict").await.starts_with("21 + 20 = 41: 1 lost."));
}

#[tokio::test]
async fn the_page_logs_in_sets_and_removes_remembers_and_logs_out() {
    let (chromium, site) = open(&[]).await;
    let tab = chromium.tab();
    // What a user types is text, wherever it is shown.
    let ada = "<b>ada</b>&amp;{{script}}";
    log_in(tab, ada).await;
    assert_eq!(
        [tab.text("#user").await, said(tab, "/me").await["user"].as_str().unwrap_or_default().into()],
        [ada, ada]
    );
    assert_eq!(tab.eval("document.getElementById('log-in').hidden").await, true);

    tab.write("[name=k]", "theme").await;
    tab.write("[name=v]", "dark, please").await;
    click(tab, "#set button").await;
    assert_eq!(said(tab, "/dump").await, json!({ "data": { "theme": "dark, please" } }));
    tab.reload().await;
    assert_eq!(tab.text("#user").await, ada);
    assert_eq!(
        tab.text("#values").await.split_whitespace().collect::<Vec<_>>(),
        ["theme", "dark,", "please", "Remove"]
    );
    click(tab, "#values button").await;
    assert_eq!(said(tab, "/dump").await, json!({ "data": {} }));
    assert_eq!(tab.text("#no-values").await, "Nothing is stored yet.");

    click(tab, "#remember").await;
    assert!(["30 days", "29 days 23 h"].contains(&tab.text("#left").await.as_str()));

    click(tab, "#log-out").await;
    assert_eq!([tab.text("#user").await, tab.text("#left").await], ["nobody yet", "no session yet"]);
    assert_eq!(tab.cookies().await, Vec::<Value>::new());
    log_in(tab, "bob").await;
    assert_eq!(site.me(tab, SHOP).await["user"], "bob");
}

#[tokio::test]
async fn the_page_shows_the_attributes_that_the_cookie_has() {
    let env = [("COOKIE_NAME", "__Host-id"), ("COOKIE_SAME_SITE", "strict"), ("COOKIE_PERSISTENT", "false")];
    let (chromium, _site) = open(&env).await;
    let tab = chromium.tab();
    click(tab, "#add").await;
    let shown = tab.eval("[...document.querySelectorAll('.pairs code')].map(attribute => attribute.textContent)").await;
    assert_eq!(shown, json!(["HttpOnly", "Secure", "SameSite=Strict", "no Domain", "Path=/", "no Max-Age"]));
    assert_eq!(tab.text("#cookie-title").await, "Cookie __Host-id");
    let cookies = tab.cookies().await;
    let is = |name: &str| cookies[0][name].clone();
    assert_eq!([is("name"), is("sameSite"), is("path"), is("domain")], ["__Host-id", "Strict", "/", SHOP]);
    assert_eq!([is("httpOnly"), is("secure"), is("session")], [true, true, true]);
}

#[tokio::test]
async fn the_bar_runs_down_and_jumps_when_the_session_slides() {
    let (chromium, _site) = open(&[("SESSION_IDLE", "30"), ("SESSION_REFRESH_WITHIN", "27")]).await;
    let tab = chromium.tab();
    click(tab, "#add").await;
    let part = "Number(document.getElementById('bar').style.getPropertyValue('--part'))";
    tab.until(&format!("{part} > 0.95")).await;
    tab.until(&format!("{part} < 0.85")).await;
    // It slides beside the answer, and the page may not see it before the next one.
    for _ in 0..3 {
        click(tab, "#add").await;
        if tab.text("#slid").await.starts_with('+') {
            break;
        }
    }
    assert_eq!(tab.eval(&format!("{part} > 0.95")).await, true);
    assert!(tab.text("#slid").await.starts_with('+'), "{}", tab.text("#slid").await);
}

#[tokio::test]
async fn while_the_store_is_away_the_page_says_that_the_session_is_kept_and_it_is() {
    let (chromium, site) = open(&[]).await;
    let tab = chromium.tab();
    log_in(tab, "ada").await;
    let cookies = tab.cookies().await;

    site.fleet.redis.freeze();
    click(tab, "#add").await;
    assert!(tab.text("#banner").await.contains("The store is away. Your session is kept"));
    assert_eq!([tab.text("#state").await.as_str(), &tab.text("#user").await], ["unknown", "ada"]);
    tab.open(site.at(SHOP, "/")).await;
    assert_eq!(tab.eval("performance.getEntriesByType('navigation')[0].responseStatus").await, 503);
    assert!(tab.text("#banner").await.contains("The store is away. Your session is kept"));
    assert_eq!([tab.text("#count").await, tab.text("#user").await], ["?", "unknown"]);
    assert_eq!(tab.cookies().await, cookies);

    site.fleet.redis.thaw();
    tab.until("document.getElementById('banner').textContent.startsWith('It is back')").await;
    tab.until("document.getElementById('user').textContent == 'ada'").await;
    click(tab, "#add").await;
    assert_eq!([tab.text("#count").await, tab.text("#banner").await], ["1", ""]);
}

#[tokio::test]
async fn the_page_is_worked_by_keyboard_alone() {
    const TAB: &str = "\u{E004}";
    const ENTER: &str = "\u{E007}";
    let (chromium, _site) = open(&[]).await;
    let tab = chromium.tab();
    let focus = "document.activeElement.id || document.activeElement.name || document.activeElement.textContent";
    for (control, keys) in [("add", ENTER), ("twenty", ""), ("name", "ada"), ("Log in", ENTER)] {
        tab.press(TAB).await;
        assert_eq!(tab.eval(focus).await, control);
        assert_eq!(tab.eval("getComputedStyle(document.activeElement).outlineStyle").await, "solid", "{control}");
        tab.press(keys).await;
        settled(tab).await;
    }
    tab.until("document.getElementById('user').textContent == 'ada'").await;
    assert_eq!(tab.text("#count").await, "1");
}

#[tokio::test]
async fn on_a_telephone_nothing_is_wider_than_the_screen_and_the_dark_is_dark() {
    let (chromium, site) = open(&[]).await;
    let tab = chromium.tab();
    log_in(tab, &"a".repeat(64)).await;
    tab.write("[name=k]", &"k".repeat(64)).await;
    tab.write("[name=v]", &"v".repeat(256)).await;
    click(tab, "#set button").await;
    let screen = json!({ "width": 320, "height": 640, "deviceScaleFactor": 2, "mobile": true });
    tab.debug("Emulation.setDeviceMetricsOverride", screen).await.expect("a small screen");
    let dark = json!({ "features": [{ "name": "prefers-color-scheme", "value": "dark" }] });
    tab.debug("Emulation.setEmulatedMedia", dark).await.expect("the dark");
    tab.open(site.at(SHOP, "/")).await;
    click(tab, "#twenty").await;
    assert_eq!(tab.eval("[document.documentElement.scrollWidth, innerWidth]").await, json!([320, 320]));
    let background = tab.eval("getComputedStyle(document.body).backgroundColor").await;
    assert_eq!(background, "rgb(18, 19, 22)");
    let small = "[...document.querySelectorAll('button, input')].filter(control => control.offsetHeight > 0 && control.offsetHeight < 36).length";
    assert_eq!(tab.eval(small).await, 0, "every control is large enough for a finger");
}
