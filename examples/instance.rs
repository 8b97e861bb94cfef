//! One application instance, configured by the environment alone: the demo, the tests and the benches run it.
//!
//! A setting that cannot work stops it with status 2 and one line on stderr. It starts also while the store is away.
//! SIGTERM drains the requests in flight, then exits 0.

#[path = "instance/devices.rs"]
mod devices;
#[path = "instance/environment.rs"]
mod environment;
#[path = "instance/frame.rs"]
mod frame;
#[path = "instance/leaving.rs"]
mod leaving;
#[path = "instance/page.rs"]
mod page;
#[path = "instance/proxies.rs"]
mod proxies;
#[path = "instance/routes.rs"]
mod routes;
#[path = "instance/settings.rs"]
mod settings;
#[path = "instance/user.rs"]
mod user;

use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use stickless::{SessionLayer, SessionService};
use tokio::signal::unix::{SignalKind, signal};
use tower::Layer;

use crate::frame::Frame;
use crate::leaving::Door;
use crate::page::Page;
use crate::settings::Settings;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            // One line, whatever stands in a value.
            eprintln!("{}", line.replace(['\n', '\r'], " "));
            ExitCode::from(2)
        }
    }
}

async fn run() -> Result<(), String> {
    let settings = Settings::read(|name| std::env::var_os(name))?;
    settings.log.start();
    let listen = settings.listen;
    let door = Door::open(listen).await.map_err(|error| format!("LISTEN = {listen}: {error}"))?;
    let name = settings.instance.clone();
    let header = HeaderValue::from_str(&name).map_err(|_| format!("INSTANCE = {name}: must be a header value"))?;
    let page = Page::new(&settings)?;
    let (layer, store) = settings.layer()?;
    let app = app(header, page, &layer, store);
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| format!("SIGTERM: {error}"))?;
    tracing::info!(instance = %name, address = %listen, "listening");
    let serving = axum::serve(door, app).with_graceful_shutdown(async move {
        terminate.recv().await;
        leaving::begin();
        tokio::time::sleep(leaving::MOMENT).await;
    });
    tokio::select! {
        served = serving => served.map_err(|error| format!("LISTEN = {listen}: {error}")),
        // A client that never finishes its request must not keep us.
        () = async { leaving::begun().await; tokio::time::sleep(DRAIN).await } => Ok(()),
    }
}

/// The longest time that requests in flight have to end after SIGTERM.
const DRAIN: Duration = Duration::from_secs(30);

/// From the outside in: the frame, the session, the routes.
fn app(name: HeaderValue, page: Page, layer: &SessionLayer, store: settings::Store) -> Frame<SessionService<Router>> {
    Frame::new(layer.layer(routes::routes(page, store)), name)
}
