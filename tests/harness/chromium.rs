//! Debian's Chromium, driven through its driver: what a real browser makes of our cookies and pages.
//!
//! It trusts the certificates of an authority made for this process, by its certificate store and not by waving errors
//! through, which would turn caches off. `example.com`, `example.net` and `example.org`, whose suffixes are public as
//! those of real sites are, lead to loopback; every other name leads nowhere.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::authority::{Authority, run};
use super::chromium_tab::{Tab, call};
use super::dir::TempDir;
use super::error::{Error, Result, or_panic};
use super::http::Client;
use super::nginx_conf::Certificate;
use super::port::on_free_port;
use super::process::{Process, find_program};

/// A browser whose turn is a test's until this is dropped. It begins with one empty tab, no cookies and no cache.
#[derive(Debug)]
pub(crate) struct Chromium {
    tab: Tab,
    driver: &'static Driver,
    _turn: MutexGuard<'static, Option<String>>,
}

impl Chromium {
    /// Waits for its turn: tests share one browser, since starting one costs more than most tests.
    pub(crate) async fn turn() -> Self {
        or_panic(Self::start(&FIRST).await)
    }

    /// Somebody else's browser, on another machine as it were. Take it after the first, never before.
    pub(crate) async fn another_turn() -> Self {
        or_panic(Self::start(&SECOND).await)
    }

    /// For a server named `example.com`, `example.net`, `example.org` or one label below; trusted by this browser.
    pub(crate) fn certificate(&self) -> Certificate {
        self.driver.certificate.clone()
    }

    pub(crate) fn tab(&self) -> &Tab {
        &self.tab
    }

    async fn start(browser: &'static Mutex<Option<String>>) -> Result<Self> {
        static DRIVER: OnceCell<Driver> = OnceCell::const_new();
        let driver = DRIVER.get_or_try_init(Driver::start).await?;
        let mut turn = browser.lock().await;
        let client = Client::new();
        if let Some(session) = turn.as_deref() {
            let tab = Tab::of(client.clone(), format!("{}/session/{session}", driver.url()));
            if tab.forget_everything().await.is_ok() {
                return Ok(Self { tab, driver, _turn: turn });
            }
        }
        // The first, or in place of one that died under a test.
        let session = match driver.open(&client).await {
            Ok(session) => session,
            // On a busy machine the driver may find it too slow to start.
            Err(_) => driver.open(&client).await?,
        };
        let tab = Tab::of(client, format!("{}/session/{session}", driver.url()));
        *turn = Some(session);
        Ok(Self { tab, driver, _turn: turn })
    }
}

/// The driver's id of a browser, once it runs. What is in a `static` is ended by the watchdog.
static FIRST: Mutex<Option<String>> = Mutex::const_new(None);
static SECOND: Mutex<Option<String>> = Mutex::const_new(None);

/// The driver is one for all browsers; they are of its process group and end with it.
#[derive(Debug)]
struct Driver {
    port: u16,
    certificate: Certificate,
    _process: Process,
    home: TempDir,
    _authority: Authority,
}

impl Driver {
    async fn start() -> Result<Self> {
        find_program("chromium")?;
        let authority = Authority::new()?;
        let certificate = authority.issue(&[
            "example.com",
            "*.example.com",
            "*.shop.example.com",
            "example.net",
            "*.example.net",
            "example.org",
            "*.example.org",
        ])?;
        let home = TempDir::new("chromium")?;
        trust(&authority, &home)?;
        let (port, process) = on_free_port(|port| launch(port, home.path())).await?;
        Ok(Self { port, certificate, _process: process, home, _authority: authority })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts a browser with a profile of its own, and returns its id.
    async fn open(&self, client: &Client) -> Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let profile = self.home.path().join(format!("profile-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut args = vec![
            "--headless=new".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            format!("--host-resolver-rules={RESOLVER}"),
            // Containers often have a small /dev/shm.
            "--disable-dev-shm-usage".to_owned(),
            "--disable-gpu".to_owned(),
            "--window-size=1280,900".to_owned(),
        ];
        if fs::metadata(self.home.path()).is_ok_and(|dir| dir.uid() == 0) {
            args.push("--no-sandbox".to_owned());
        }
        let options = json!({ "capabilities": { "alwaysMatch": { "goog:chromeOptions": { "args": args } } } });
        let value = call(client.post(format!("{}/session", self.url())), &options).await?;
        let id = value["sessionId"].as_str().map(str::to_owned);
        id.ok_or_else(|| Error::new(format!("no session in {value}")))
    }
}

const RESOLVER: &str = "MAP *.example.com 127.0.0.1, MAP example.com 127.0.0.1, \
     MAP *.example.net 127.0.0.1, MAP example.net 127.0.0.1, \
     MAP *.example.org 127.0.0.1, MAP example.org 127.0.0.1, \
     MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost";

async fn launch(port: u16, home: &Path) -> Result<(u16, Process)> {
    let mut command = Command::new(find_program("chromedriver")?);
    command
        .arg(format!("--port={port}"))
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", home);
    let process = Process::spawn_heard("chromedriver", &mut command)?;
    let client = Client::new();
    let status = format!("http://127.0.0.1:{port}/status");
    let answers = || async { client.get(&status).try_send().await.is_ok_and(|answer| answer.status == 200) };
    process.ready(Duration::from_secs(20), answers).await?;
    Ok((port, process))
}

/// Puts the authority into the certificate store that Chromium reads on Linux.
fn trust(authority: &Authority, home: &TempDir) -> Result<()> {
    let store = home.path().join(".pki/nssdb");
    fs::create_dir_all(&store).map_err(|error| Error::io(store.display(), &error))?;
    let store = format!("sql:{}", store.display());
    let certutil = find_program("certutil")?;
    run("certutil", Command::new(&certutil).args(["-N", "--empty-password", "-d", &store]))?;
    run(
        "certutil",
        Command::new(&certutil)
            .args(["-A", "-d", &store, "-n", "stickless", "-t", "C,,", "-i"])
            .arg(authority.certificate()),
    )
}
