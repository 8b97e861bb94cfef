//! The bundled nginx configuration, rendered for free ports and a directory of its own.
//!
//! The text under test is the one that users copy. Every substitution must find what it replaces, so that a
//! change of the bundled files cannot silently leave the tests with something else.

use std::fmt::Write;
use std::path::PathBuf;

use super::dir::TempDir;
use super::error::{Error, Result};

/// What differs from the bundled files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    /// Ports of the instances.
    pub(crate) upstreams: Vec<u16>,
    /// The public port; a free one by default.
    pub(crate) port: Option<u16>,
    /// Turns on the TLS server, on a free port.
    pub(crate) tls: Option<Certificate>,
    /// Text of the bundled files, and what a test puts in its place.
    pub(crate) edits: Vec<(String, String)>,
}

/// PEM files.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// How many workers a rendered configuration has.
pub(super) const WORKERS: usize = 2;

/// Writes `nginx.conf` and its parts into `dir`.
pub(super) fn render(settings: &Settings, dir: &TempDir, port: u16, tls_port: u16) -> Result<()> {
    let mut files = BUNDLED.map(|(name, text)| (name, text.to_owned()));
    for (old, new) in &settings.edits {
        replace(&mut files, old, new)?;
    }
    let home = dir.path().display();
    replace(&mut files, "user www-data;", "")?;
    replace(&mut files, "worker_processes auto;", &format!("worker_processes {WORKERS};"))?;
    replace(&mut files, "pid /run/nginx.pid;", &format!("pid {home}/nginx.pid;"))?;
    replace(&mut files, "error_log /var/log/nginx/error.log warn;", "error_log stderr notice;")?;
    replace(
        &mut files,
        "access_log /var/log/nginx/access.log;",
        &format!("access_log {home}/access.log;{}", temp_paths(dir)?),
    )?;
    let listen = "listen 80 default_server;";
    replace(&mut files, listen, &format!("listen 127.0.0.1:{port} default_server;"))?;
    let servers = EXAMPLE_PORTS.map(server).join("");
    let ours: String = settings.upstreams.iter().copied().map(server).collect();
    replace(&mut files, &servers, &ours)?;
    if let Some(Certificate { certificate, key }) = &settings.tls {
        let include = "include stickless-tls.conf;";
        replace(&mut files, &format!("# {include}"), include)?;
        replace(&mut files, "listen 443 ssl http2;", &format!("listen 127.0.0.1:{tls_port} ssl http2;"))?;
        replace(
            &mut files,
            "ssl_certificate /etc/ssl/certs/app.example.com.pem;",
            &format!("ssl_certificate {};", certificate.display()),
        )?;
        replace(
            &mut files,
            "ssl_certificate_key /etc/ssl/private/app.example.com.key;",
            &format!("ssl_certificate_key {};", key.display()),
        )?;
    }
    for (name, text) in &files {
        dir.write(name, text)?;
    }
    Ok(())
}

const BUNDLED: [(&str, &str); 4] = [
    ("nginx.conf", include_str!("../../nginx/nginx.conf")),
    ("stickless-upstream.conf", include_str!("../../nginx/stickless-upstream.conf")),
    ("stickless-proxy.conf", include_str!("../../nginx/stickless-proxy.conf")),
    ("stickless-tls.conf", include_str!("../../nginx/stickless-tls.conf")),
];

const EXAMPLE_PORTS: [u16; 3] = [3001, 3002, 3003];

fn server(port: u16) -> String {
    format!("    server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;\n")
}

/// Replaces the one place where `old` stands.
fn replace(files: &mut [(&str, String)], old: &str, new: &str) -> Result<()> {
    let found: usize = files.iter().map(|(_, text)| text.matches(old).count()).sum();
    if found != 1 {
        return Err(Error::new(format!("the bundled nginx configuration has {old:?} {found} times, not once")));
    }
    for (_, text) in files {
        *text = text.replace(old, new);
    }
    Ok(())
}

/// Debian's nginx keeps bodies and answers that do not fit into memory where only root may write.
fn temp_paths(dir: &TempDir) -> Result<String> {
    let mut lines = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let path = dir.path().join(kind);
        write!(lines, "\n    {kind}_temp_path {};", path.display()).map_err(|_| Error::new("out of memory"))?;
    }
    Ok(lines)
}
