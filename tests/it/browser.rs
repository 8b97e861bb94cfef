//! What a real browser makes of it: Chromium, over TLS, through nginx, under names of sites.

mod cookies;
mod devices;
mod page;
mod sites;
mod tabs;

use crate::harness::{Authority, Chromium, Fleet, Instance, Nginx, NginxSettings, Tab};

/// Instances behind nginx with TLS, under every name that the browser finds on loopback.
struct Site {
    // Before the instances: they wait for the connections that it keeps.
    nginx: Nginx,
    fleet: Fleet,
}

impl Site {
    async fn start(chromium: &Chromium, env: &[(&str, &str)]) -> Self {
        Self::start_on(2, chromium, env).await
    }

    async fn start_on(instances: u8, chromium: &Chromium, env: &[(&str, &str)]) -> Self {
        let fleet = Fleet::start_with(instances, &[&[("COOKIE_SECURE", "always")], env].concat()).await;
        let settings = NginxSettings {
            upstreams: fleet.instances.iter().map(Instance::port).collect(),
            tls: Some(chromium.certificate()),
            ..NginxSettings::default()
        };
        Self { nginx: Nginx::start_with(settings).await, fleet }
    }

    /// `at("example.com", "/me")`
    fn at(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.nginx.tls_port())
    }

    /// What `/me` shows at a host, by the address bar.
    async fn me(&self, tab: &Tab, host: &str) -> serde_json::Value {
        tab.open(self.at(host, "/me")).await;
        tab.json().await
    }

    /// Logs in with a request of a page of that host.
    async fn log_in(&self, tab: &Tab, host: &str, user: &str) {
        tab.open(self.at(host, "/static")).await;
        assert_eq!(tab.fetch("POST", &format!("/login?user={user}")).await, 204);
    }

    async fn log_out(&self, tab: &Tab, host: &str) {
        tab.open(self.at(host, "/static")).await;
        assert_eq!(tab.fetch("POST", "/logout").await, 204);
    }
}

const SHOP: &str = "shop.example.com";

#[tokio::test]
async fn the_browser_believes_certificates_of_the_tests_authority_and_no_others() {
    let chromium = Chromium::turn().await;
    let site = Site::start(&chromium, &[]).await;
    let tab = chromium.tab();
    tab.open(site.at(SHOP, "/static")).await;
    assert_eq!(tab.shown().await.trim(), "nothing of the session");
    let stranger = Authority::new().expect("an authority");
    let settings = NginxSettings {
        upstreams: vec![site.fleet.instances[0].port()],
        tls: Some(stranger.issue(&["*.example.com"]).expect("a certificate")),
        ..NginxSettings::default()
    };
    let nginx = Nginx::start_with(settings).await;
    tab.open(format!("https://{SHOP}:{}/static", nginx.tls_port())).await;
    assert!(tab.shown().await.contains("ERR_CERT_AUTHORITY_INVALID"));
}
