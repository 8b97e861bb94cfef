//! A certificate authority of a test's own, made by openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::dir::TempDir;
use super::error::{Error, Result};
use super::nginx_conf::Certificate;
use super::process::find_program;

/// Signs certificates for two days; its files are in a directory of its own.
#[derive(Debug)]
pub(crate) struct Authority {
    dir: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let authority = Self { dir: TempDir::new("authority")? };
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

    /// A server's certificate for names such as `example.com` and `*.example.com`; another call replaces its files.
    pub(crate) fn issue(&self, names: &[&str]) -> Result<Certificate> {
        let [key, request, certificate] = ["site.key", "site.csr", "site.crt"].map(|name| self.file(name));
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let extensions = format!(
            "subjectAltName={}\nextendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE\n",
            names.join(",")
        );
        let extensions = self.dir.write("site.ext", &extensions)?;
        openssl(&["req", "-subj", "/CN=stickless test site"], &[("-keyout", &key), ("-out", &request)], NEW_KEY)?;
        openssl(
            &["x509", "-req", "-days", "2", "-CAcreateserial"],
            &[
                ("-in", &request),
                ("-CA", &self.certificate()),
                ("-CAkey", &self.file("ca.key")),
                ("-extfile", &extensions),
                ("-out", &certificate),
            ],
            &[],
        )?;
        Ok(Certificate { certificate, key })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

const NEW_KEY: &[&str] = &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

fn openssl(words: &[&str], files: &[(&str, &Path)], more: &[&str]) -> Result<()> {
    let mut command = Command::new(find_program("openssl")?);
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
