//! The routes of the instance, each a few lines on the session.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stickless::{Error, Origin, Session, Unavailable};
use tokio::time::sleep;

use crate::devices;
use crate::page::{self, Page};
use crate::settings::Store;
use crate::user::User;

#[derive(Clone)]
struct App {
    page: Arc<Page>,
    store: Store,
}

pub(crate) fn routes(home: Page, store: Store) -> Router {
    let read = Router::new()
        .route("/", get(index))
        .route("/probe", get(probe))
        .route("/count", get(count))
        .route("/me", get(me))
        .route("/exists", get(exists))
        .route("/dump", get(dump))
        .route("/slow", get(slow))
        .route("/slow-read", get(slow_read))
        .route("/maybe", get(maybe))
        .route("/static", get(async || "nothing of the session\n"))
        .route("/page", get(page))
        .route("/etag", get(etag))
        .route("/stream", get(stream))
        .route("/panic", get(panic))
        .route("/fail", get(fail))
        .route("/healthz", get(async || StatusCode::OK))
        .route("/readyz", get(readyz));
    let write = Router::new()
        .route("/set", post(set))
        .route("/unset", post(unset))
        .route("/clear", post(clear))
        .route("/take", post(take))
        .route("/append", post(append))
        .route("/login", post(login))
        .route("/rotate", post(rotate))
        .route("/logout", post(logout))
        .route("/remember-me", post(remember_me));
    read.merge(write).merge(devices::routes()).with_state(App { page: Arc::new(home), store })
}

#[derive(Deserialize)]
struct Key {
    k: String,
}

#[derive(Deserialize)]
struct Pair {
    k: String,
    v: String,
}

async fn index(State(app): State<App>, origin: Origin, session: Result<Session, Unavailable>) -> Response {
    match session {
        Ok(session) => app.page.index(&session, &data(&session), &origin),
        Err(cause) => app.page.unavailable(cause, &origin),
    }
}

async fn probe(origin: Origin) -> Json<Value> {
    Json(json!({ "client_ip": origin.client, "scheme": origin.scheme(), "host": origin.host.as_deref() }))
}

#[derive(Serialize)]
struct Count {
    count: i64,
    session: bool,
}

async fn count(session: Session) -> Result<Json<Count>, Error> {
    let there = session.state() == stickless::State::Live;
    let count = session.incr("n", 1).await?;
    Ok(Json(Count { count, session: there }))
}

#[derive(Serialize)]
struct Me {
    session: bool,
    user: Option<String>,
    count: Value,
    expires_in_ms: Option<u64>,
    state: &'static str,
    /// Of a session that others ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

async fn me(session: Session) -> Json<Me> {
    Json(Me {
        session: session.state() == stickless::State::Live,
        user: session.user(),
        count: session.get::<Value>("n").map_or(Value::Null, |count| count.unwrap_or_else(|| json!(0))),
        expires_in_ms: session.expires_in().map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        state: page::state_name(session.state()),
        reason: if let stickless::State::Ended(reason) = session.state() { Some(reason.as_str()) } else { None },
    })
}

async fn exists(session: Session, Query(Key { k }): Query<Key>) -> Json<Value> {
    Json(json!({ "exists": session.contains(&k) }))
}

async fn dump(session: Session) -> Json<Value> {
    Json(json!({ "data": data(&session) }))
}

fn data(session: &Session) -> Value {
    let mut data = serde_json::Map::new();
    for key in session.keys() {
        // A value that cannot be decoded harms no other.
        let value = session.get::<Value>(&key).ok().flatten().unwrap_or_default();
        data.insert(key, value);
    }
    Value::Object(data)
}

async fn set(session: Session, Query(Pair { k, v }): Query<Pair>) -> Result<StatusCode, Error> {
    session.set(&k, &v)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn unset(session: Session, Query(Key { k }): Query<Key>) -> Result<StatusCode, Error> {
    session.remove(&k)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn clear(session: Session) -> Result<StatusCode, Error> {
    session.clear()?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take(session: Session, Query(Key { k }): Query<Key>) -> Result<Json<Value>, Error> {
    Ok(Json(json!({ "value": session.take::<Value>(&k)? })))
}

async fn append(session: Session, Query(Pair { k, v }): Query<Pair>) -> Result<Json<Value>, Error> {
    let list = session
        .update(&k, |list: Option<Vec<String>>| {
            let mut list = list.unwrap_or_default();
            list.push(v.clone());
            list
        })
        .await?;
    Ok(Json(json!({ "length": list.len() })))
}

async fn login(session: Session, User(user): User) -> Result<StatusCode, Error> {
    session.log_in(&user).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn rotate(session: Session) -> Result<StatusCode, Error> {
    session.rotate().await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn logout(session: Session) -> Result<StatusCode, Error> {
    session.log_out()?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Days {
    days: u64,
}

async fn remember_me(session: Session, Query(Days { days }): Query<Days>) -> Result<StatusCode, Error> {
    session.remember(Duration::from_secs(days.saturating_mul(24 * 60 * 60)))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
struct Wait {
    ms: u64,
}

async fn slow(session: Session, Query(Wait { ms }): Query<Wait>, pair: Query<Pair>) -> Result<StatusCode, Error> {
    sleep(Duration::from_millis(ms)).await;
    session.set(&pair.k, &pair.v)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn slow_read(session: Session, Query(Wait { ms }): Query<Wait>) -> Json<Me> {
    sleep(Duration::from_millis(ms)).await;
    me(session).await
}

async fn maybe(session: Result<Session, Unavailable>) -> Json<Value> {
    let user = session.as_ref().ok().and_then(Session::user);
    Json(json!({ "available": session.is_ok(), "user": user }))
}

async fn page(State(app): State<App>, session: Session) -> impl IntoResponse {
    let html = page::greeting(&app.page.instance, session.user().as_deref());
    ([(CACHE_CONTROL, "public, max-age=60")], Html(html))
}

async fn etag(session: Session, headers: HeaderMap) -> Result<Response, Error> {
    let count: i64 = session.get("n")?.unwrap_or(0);
    let etag = format!("\"{count}-{}\"", session.user().map_or(0, |user| user.len()));
    let matches = |value: &str| value.split(',').any(|tag| matches!(tag.trim(), "*") || tag.trim().ends_with(&etag));
    if headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(matches) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    Ok(([(ETAG, etag)], Json(json!({ "count": count }))).into_response())
}

/// Nine chunks, then the session is written, long after the headers are gone; the tenth says what came of it.
async fn stream(session: Session) -> Response {
    let chunks = futures_util::stream::unfold((1, session), async |(number, session)| {
        if number > 10 {
            return None;
        }
        sleep(Duration::from_millis(10)).await;
        let chunk = if number < 10 {
            format!("chunk {number}\n")
        } else {
            format!("chunk 10: {}\n", write_late(&session).await)
        };
        Some((Ok::<_, std::convert::Infallible>(chunk), (number + 1, session)))
    });
    axum::body::Body::from_stream(chunks).into_response()
}

async fn write_late(session: &Session) -> String {
    let written = async {
        session.incr("streamed", 1).await?;
        session.save().await
    };
    written.await.map_or_else(|error: Error| format!("not saved, {error}"), |()| "saved".to_owned())
}

async fn panic(session: Session) -> Result<StatusCode, Error> {
    session.set("panic", "staged")?;
    panic!("a handler that panics")
}

async fn fail(session: Session) -> Result<StatusCode, Error> {
    session.set("fail", "staged")?;
    Ok(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn readyz(State(app): State<App>) -> Result<StatusCode, Unavailable> {
    app.store.ping().await.map(|()| StatusCode::OK)
}
