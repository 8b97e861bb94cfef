//! The routes of a user's devices.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use stickless::{Device, Error, Session};

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/devices", get(devices))
        .route("/devices/{id}/logout", post(log_out_one))
        .route("/logout-others", post(log_out_others))
        .route("/logout-everywhere", post(log_out_everywhere))
}

async fn devices(session: Session) -> Result<Json<Vec<Value>>, Error> {
    Ok(Json(session.devices().await?.iter().map(shown).collect()))
}

/// Times are milliseconds since 1970.
fn shown(device: &Device) -> Value {
    json!({
        "id": device.handle.to_string(),
        "current": device.current,
        "client_ip": device.address,
        "user_agent": device.user_agent().map(|agent| agent.to_string()),
        "born": device.born.as_millis(),
        "seen": device.seen.as_millis(),
    })
}

async fn log_out_one(session: Session, Path(id): Path<String>) -> Result<StatusCode, Error> {
    // What is no handle is nobody's.
    let Ok(handle) = id.parse() else { return Ok(StatusCode::NOT_FOUND) };
    let ended = session.end_device(handle).await?;
    Ok(if ended { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
}

async fn log_out_others(session: Session) -> Result<Json<Value>, Error> {
    Ok(Json(json!({ "ended": session.end_others().await? })))
}

async fn log_out_everywhere(session: Session) -> Result<Json<Value>, Error> {
    Ok(Json(json!({ "ended": session.end_everywhere().await? })))
}
