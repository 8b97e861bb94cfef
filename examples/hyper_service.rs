//! The layer around a plain hyper service, without axum: `cargo run --example hyper_service`.
//!
//! `LISTEN` is the address, 127.0.0.1:3000 by default.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use stickless::{Error, KeyRing, LazySession, SessionLayer, store::MemoryStore};
use tokio::net::TcpListener;
use tower::{Layer as _, service_fn};

async fn handle(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = match (request.method().as_str(), request.uri().path()) {
        ("GET", "/") => Ok(text("this page needs no session\n")),
        ("GET", "/count") => count(&request).await,
        ("POST", "/logout") => log_out(&request).await,
        _ => Ok(status(StatusCode::NOT_FOUND)),
    };
    // Without axum an error becomes a response here: its status says what a client may know.
    Ok(response.unwrap_or_else(|error| status(error.status())))
}

async fn count(request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
    let session = LazySession::of(request)?.load().await?;
    Ok(text(&format!("{}\n", session.incr("n", 1).await?)))
}

async fn log_out(request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Error> {
    LazySession::of(request)?.load().await?.log_out()?;
    Ok(status(StatusCode::NO_CONTENT))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let layer = SessionLayer::new(MemoryStore::new(), KeyRing::random()?)?;
    let service = layer.layer(service_fn(handle));

    let address = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(service.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                eprintln!("connection: {error}");
            }
        });
    }
}

fn text(body: &str) -> Response<Full<Bytes>> {
    Response::new(Full::from(body.to_owned()))
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
