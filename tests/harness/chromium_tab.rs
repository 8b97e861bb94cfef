//! A browser's tab, as a user and as a debugger see it: W3C `WebDriver`, with the few extensions of Chromium's driver.
//!
//! A dozen calls of JSON over the client that is there already.

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::error::{Error, Result, or_panic};
use super::http::{Client, Request};

/// Acts on the tab, and the frame in it, that is in front. Each method panics with the driver's reason.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    client: Client,
    session: String,
}

impl Tab {
    pub(super) fn of(client: Client, session: String) -> Self {
        Self { client, session }
    }

    /// As by the address bar, until the page has loaded, or one of the browser's own that says why not.
    pub(crate) async fn open(&self, url: impl AsRef<str>) {
        or_panic(self.post("url", json!({ "url": url.as_ref() })).await);
    }

    pub(crate) async fn back(&self) {
        or_panic(self.post("back", json!({})).await);
    }

    pub(crate) async fn reload(&self) {
        or_panic(self.post("refresh", json!({})).await);
    }

    /// Clicks as a user does: what is hidden, covered or disabled cannot be clicked.
    pub(crate) async fn click(&self, selector: &str) {
        let element = self.element(selector).await;
        or_panic(self.post(&format!("{element}/click"), json!({})).await);
    }

    /// Types at the end of what stands in a field.
    pub(crate) async fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        or_panic(self.post(&format!("{element}/value"), json!({ "text": text })).await);
    }

    /// Presses keys one after another, wherever the focus is. Special ones: `\u{E004}` is Tab, `\u{E007}` Enter.
    pub(crate) async fn press(&self, keys: &str) {
        let strokes =
            keys.chars().flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })));
        let actions =
            json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes.collect::<Vec<_>>() }] });
        or_panic(self.post("actions", actions).await);
    }

    /// What a user reads there: nothing of what is hidden.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let element = self.element(selector).await;
        or_panic(self.get(&format!("{element}/text")).await).as_str().unwrap_or_default().to_owned()
    }

    /// The value of an expression in the page, of a promise when it is kept.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let script = format!("return ({expression})");
        or_panic(self.post("execute/sync", json!({ "script": script, "args": [] })).await)
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&self, expression: &str) {
        const LIMIT: Duration = Duration::from_secs(15);
        let started = Instant::now();
        while self.eval(&format!("Boolean({expression})")).await != Value::Bool(true) {
            let shown = if started.elapsed() < LIMIT { None } else { Some(self.shown().await) };
            assert_eq!(shown, None, "{expression} is not true after {LIMIT:?}, the page shows this");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// The page's text as JSON.
    pub(crate) async fn json(&self) -> Value {
        let text = self.shown().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// All that a user reads in the page.
    pub(crate) async fn shown(&self) -> String {
        self.eval("document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// The status of a request that the page makes with its cookies.
    pub(crate) async fn fetch(&self, method: &str, path: &str) -> u64 {
        let status =
            self.eval(&format!("fetch('{path}', {{ method: '{method}' }}).then(answer => answer.status)")).await;
        status.as_u64().unwrap_or_else(|| panic!("{status}"))
    }

    /// In the order of their opening.
    pub(crate) async fn tabs(&self) -> Vec<TabId> {
        or_panic(self.try_tabs().await)
    }

    async fn try_tabs(&self) -> Result<Vec<TabId>> {
        let handles = self.get("window/handles").await?;
        Ok(handles.as_array().into_iter().flatten().cloned().map(TabId).collect())
    }

    pub(crate) async fn bring_to_front(&self, tab: &TabId) {
        or_panic(self.post("window", json!({ "handle": tab.0 })).await);
    }

    /// Acts inside a frame from now on.
    pub(crate) async fn enter_frame(&self, selector: &str) {
        let element = self.element(selector).await;
        let id = element.trim_start_matches("element/");
        or_panic(self.post("frame", json!({ "id": { ELEMENT: id } })).await);
    }

    /// All cookies that the browser has, of all sites.
    pub(crate) async fn cookies(&self) -> Vec<Value> {
        let all = or_panic(self.debug("Storage.getCookies", json!({})).await);
        all["cookies"].as_array().cloned().unwrap_or_default()
    }

    /// A command of the `DevTools` protocol.
    pub(crate) async fn debug(&self, command: &str, params: Value) -> Result<Value> {
        self.post("goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }

    /// A picture of the window, as PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        let picture = or_panic(self.get("screenshot").await);
        STANDARD.decode(picture.as_str().unwrap_or_default()).unwrap_or_default()
    }

    /// One empty tab, no cookies, no cache.
    pub(super) async fn forget_everything(&self) -> Result<()> {
        let old = self.try_tabs().await?;
        let new = self.post("window/new", json!({ "type": "tab" })).await?;
        for TabId(handle) in old {
            self.post("window", json!({ "handle": handle })).await?;
            call(self.client.request(Method::DELETE, self.url("window")), &Value::Null).await?;
        }
        self.post("window", json!({ "handle": new["handle"] })).await?;
        self.debug("Network.clearBrowserCookies", json!({})).await?;
        self.debug("Network.clearBrowserCache", json!({})).await?;
        Ok(())
    }

    async fn element(&self, selector: &str) -> String {
        let found = or_panic(self.post("element", json!({ "using": "css selector", "value": selector })).await);
        format!("element/{}", found[ELEMENT].as_str().unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Result<Value> {
        call(self.client.get(self.url(path)), &Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        call(self.client.post(self.url(path)), &body).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.session)
    }
}

/// One of several tabs.
#[derive(Debug, Clone)]
pub(crate) struct TabId(Value);

/// The key under which the standard puts an element's id.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The value of the driver's answer, or its reason.
pub(super) async fn call(request: Request, body: &Value) -> Result<Value> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let answer = request.body(body).try_send().await?;
    let mut value = answer.json()["value"].take();
    if answer.status == 200 {
        return Ok(value);
    }
    let message = value["message"].take();
    let message = message.as_str().and_then(|message| message.lines().next()).unwrap_or("no reason given");
    Err(Error::new(format!("chromedriver: {message}")))
}
