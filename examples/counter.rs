//! A counter in a session, with nothing to install: `cargo run --example counter`, then open the address.

use axum::{Router, routing::get};
use stickless::{Error, KeyRing, Session, SessionLayer, store::MemoryStore};

async fn count(session: Session) -> Result<String, Error> {
    let visits = session.incr("visits", 1).await?;
    Ok(format!("You have been here {visits} times.\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // One instance: a store in memory and a random key. Several: RedisStore, and the same keys everywhere.
    let layer = SessionLayer::new(MemoryStore::new(), KeyRing::random()?)?;
    let app = Router::new().route("/", get(count)).layer(layer);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
