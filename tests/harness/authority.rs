//! A certificate authority of a test's own, made by openssl.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::dir::TempDir;
use super::error::{Error, Result};
use super::nginx_conf::Certificate;
use super::process::find_program;

/// Signs certificates for two days; its files are in a directory of its own.
#[derive(Debug)]
pub(crate) struct Authority {
    dir: TempDir,
    issued: AtomicU32,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let authority = Self { dir: TempDir::new("authority")?, issued: AtomicU32::new(0) };
        let (key, certificate) = (authority.file("ca.key"), authority.certificate());
        openssl(
            &["req", "-x509", "-days", "2", "-subj", "/CN=stickless test authority"],
            &[("-keyout", &key), ("-out", &certificate)],
            &[NEW_KEY, &["-addext", "keyUsage=critical,keyCertSign,cRLSign"]].concat(),
        )?;
        Ok(authority)
    }

    /// What is to be trusted, as PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.file("ca.crt")
    }

    /// A certificate, for servers and for clients, for names such as `example.com` and `*.example.com`, and addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Result<Certificate> {
        self.issue_at(names, None)
    }

    /// One that expired a week ago.
    pub(crate) fn issue_expired(&self, names: &[&str]) -> Result<Certificate> {
        self.issue_at(names, Some("-9d"))
    }

    /// By a clock that is off by so much.
    fn issue_at(&self, names: &[&str], clock: Option<&str>) -> Result<Certificate> {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let [key, request, certificate] = ["key", "csr", "crt"].map(|end| self.file(&format!("site{number}.{end}")));
        let kind = |name: &str| if name.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
        let names: Vec<String> = names.iter().map(|name| format!("{}:{name}", kind(name))).collect();
        let extensions = format!(
            "subjectAltName={}\nextendedKeyUsage=serverAuth,clientAuth\nbasicConstraints=critical,CA:FALSE\n",
            names.join(",")
        );
        let extensions = self.dir.write(&format!("site{number}.ext"), &extensions)?;
        openssl(&["req", "-subj", "/CN=stickless test site"], &[("-keyout", &key), ("-out", &request)], NEW_KEY)?;
        let files = [
            ("-in", request.as_path()),
            ("-CA", &self.certificate()),
            ("-CAkey", &self.file("ca.key")),
            ("-extfile", &extensions),
            ("-out", &certificate),
        ];
        openssl_at(clock, &["x509", "-req", "-days", "2", "-CAcreateserial"], &files, &[])?;
        Ok(Certificate { certificate, key })
    }

    /// Options of redis-server and redis-sentinel that make all their traffic TLS, among themselves too, with this
    /// certificate.
    pub(crate) fn redis_options(&self, certificate: &Certificate) -> Vec<String> {
        let Certificate { certificate, key } = certificate;
        let (certificate, key, ca) = (certificate.display(), key.display(), self.certificate());
        let options = format!(
            "--tls-cert-file {certificate} --tls-key-file {key} --tls-ca-cert-file {} --tls-auth-clients no \
             --tls-replication yes --tls-cluster yes",
            ca.display()
        );
        options.split(' ').map(str::to_owned).collect()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

const NEW_KEY: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// A certificate that signed itself with the mark of an authority, as `openssl req -x509` makes it by default.
pub(crate) fn self_signed(dir: &TempDir, name: &str, clock: Option<&str>) -> Result<Certificate> {
    let [key, certificate] = ["key", "crt"].map(|end| dir.path().join(format!("{name}.{end}")));
    let name =
        format!("subjectAltName={}", if name.parse::<IpAddr>().is_ok() { "IP:" } else { "DNS:" }.to_owned() + name);
    let words = ["req", "-x509", "-days", "2", "-subj", "/CN=stickless test server", "-addext", &name];
    openssl_at(clock, &words, &[("-keyout", &key), ("-out", &certificate)], NEW_KEY)?;
    Ok(Certificate { certificate, key })
}

fn openssl(words: &[&str], files: &[(&str, &Path)], more: &[&str]) -> Result<()> {
    openssl_at(None, words, files, more)
}

fn openssl_at(clock: Option<&str>, words: &[&str], files: &[(&str, &Path)], more: &[&str]) -> Result<()> {
    let program = find_program("openssl")?;
    let mut command = match clock {
        None => Command::new(program),
        Some(clock) => {
            let mut command = Command::new(find_program("faketime")?);
            command.args(["-f", clock]).arg(program);
            command
        }
    };
    command.args(words).args(more);
    for (option, file) in files {
        command.arg(option).arg(file);
    }
    run("openssl", &mut command)
}

/// Runs a program to its end.
pub(super) fn run(program: &str, command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| Error::io(program, &error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
    Err(Error::ended(program, output.status, said))
}
