//! The server to compare with: axum, and a session by hand as far as the load needs one.
//!
//! It takes the cookie's value for the key as it comes, reads the hash, and overwrites it: no signature, no limits, no
//! generation, no retries. It runs in a process of its own, which is this program started anew.

use std::collections::HashMap;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};

use crate::harness::{Client, Process, free_port};

const LISTEN: &str = "BARE_LISTEN";
const REDIS: &str = "BARE_REDIS";
const IDLE_MS: i64 = 3_600_000;

/// The key of a session by its cookie's value.
pub(crate) fn key(cookie: &str) -> String {
    format!("bare:{cookie}")
}

/// The process of a bare server.
pub(crate) struct Bare {
    port: u16,
    process: Process,
}

impl Bare {
    pub(crate) async fn start(redis: &str) -> Self {
        let port = free_port().expect("a free port");
        let mut command = Command::new(std::env::current_exe().expect("own path"));
        command.env(LISTEN, format!("127.0.0.1:{port}")).env(REDIS, redis).stdout(Stdio::null());
        let process = Process::spawn("bare", &mut command).expect("it starts");
        let (client, url) = (Client::new(), format!("http://127.0.0.1:{port}/static"));
        let answers = || async { client.get(&url).try_send().await.is_ok() };
        process.ready(Duration::from_secs(20), answers).await.expect("it answers");
        Self { port, process }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }
}

pub(crate) struct Settings {
    listen: String,
    redis: String,
}

impl Settings {
    /// None when this process is the bench itself.
    pub(crate) fn of_this_process() -> Option<Self> {
        Some(Self { listen: std::env::var(LISTEN).ok()?, redis: std::env::var(REDIS).ok()? })
    }
}

/// With the runtime that `#[tokio::main]` makes, as the instance's.
pub(crate) fn main(settings: Settings) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(serve(settings));
    ExitCode::SUCCESS
}

async fn serve(settings: Settings) {
    let client = redis::Client::open(settings.redis).expect("a URL");
    let redis = client.get_multiplexed_async_connection().await.expect("a connection");
    let app = Router::new()
        .route("/static", get(async |State(app): State<App>| ([app.name()], "nothing of the session\n")))
        .route("/me", get(me))
        .route("/count", get(count))
        .route("/set", post(set))
        .with_state(App { redis, name: HeaderValue::from_static("b") });
    let listener = tokio::net::TcpListener::bind(settings.listen).await.expect("a free port");
    axum::serve(listener, app).await.expect("it serves");
}

#[derive(Clone)]
struct App {
    redis: MultiplexedConnection,
    name: HeaderValue,
}

impl App {
    /// The header that every answer of an instance carries.
    fn name(&self) -> (&'static str, HeaderValue) {
        ("x-instance", self.name.clone())
    }
}

/// The session's key, by the request's cookie.
fn session(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix("sid=")).map(key)
}

async fn read(app: &App, headers: &HeaderMap) -> Result<(String, HashMap<String, String>), StatusCode> {
    let key = session(headers).ok_or(StatusCode::UNAUTHORIZED)?;
    let hash = app.redis.clone().hgetall(&key).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok((key, hash))
}

fn number(hash: &HashMap<String, String>) -> i64 {
    hash.get("n").and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[derive(Serialize)]
struct Me {
    session: bool,
    user: Option<String>,
    count: i64,
    expires_in_ms: i64,
    state: &'static str,
}

async fn me(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, StatusCode> {
    let (_, mut hash) = read(&app, &headers).await?;
    let count = number(&hash);
    let me = Me { session: true, user: hash.remove("user"), count, expires_in_ms: IDLE_MS, state: "live" };
    Ok(([app.name()], Json(me)))
}

#[derive(Serialize)]
struct Count {
    count: i64,
    session: bool,
}

async fn count(State(app): State<App>, headers: HeaderMap) -> Result<impl IntoResponse, StatusCode> {
    let (key, hash) = read(&app, &headers).await?;
    let count = number(&hash) + 1;
    write(&app, &key, "n", &count.to_string()).await?;
    Ok(([app.name()], Json(Count { count, session: !hash.is_empty() })))
}

#[derive(Deserialize)]
struct Pair {
    k: String,
    v: String,
}

async fn set(State(app): State<App>, Query(Pair { k, v }): Query<Pair>) -> Result<impl IntoResponse, StatusCode> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let id = URL_SAFE_NO_PAD.encode(id);
    let text = serde_json::to_string(&v).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    write(&app, &key(&id), &k, &text).await?;
    let cookie = format!("sid={id}; HttpOnly; SameSite=Lax; Path=/; Max-Age=34560000");
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(SET_COOKIE, cookie)]), [app.name()]))
}

async fn write(app: &App, key: &str, field: &str, value: &str) -> Result<(), StatusCode> {
    let mut pipe = redis::pipe();
    pipe.hset(key, field, value).ignore().pexpire(key, IDLE_MS).ignore();
    pipe.exec_async(&mut app.redis.clone()).await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}
