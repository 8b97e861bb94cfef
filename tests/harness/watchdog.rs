//! Cleans up after a process that had no chance to: killed, aborted, or ended by Ctrl-C in a test run.
//!
//! `Drop` does not run then, nor ever for a server in a `static`. So one small shell a process reads, on
//! its standard input, what to watch; when the pipe ends, for whatever reason, it kills what is left.

use std::fmt;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// What must not outlive this process.
pub(crate) enum Ward<'a> {
    /// A process group, by the id of its first process.
    Group(u32),
    Dir(&'a Path),
}

pub(crate) fn watch(ward: &Ward<'_>) {
    tell('+', ward);
}

pub(crate) fn release(ward: &Ward<'_>) {
    tell('-', ward);
}

fn tell(verb: char, ward: &Ward<'_>) {
    let mut pipe = WATCHDOG.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pipe) = pipe.as_mut() {
        // A watchdog that is gone is no reason to fail a test: `Drop` does the work nearly always.
        let _ = writeln!(pipe, "{verb}{ward}");
    }
}

static WATCHDOG: LazyLock<Mutex<Option<ChildStdin>>> = LazyLock::new(|| {
    let shell = Command::new("/bin/sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A group of its own: Ctrl-C must not end it together with us.
        .process_group(0)
        .spawn();
    Mutex::new(shell.ok().and_then(|mut shell: Child| shell.stdin.take()))
});

const SCRIPT: &str = r#"
set -f
IFS='
'
wards=
while read -r line; do
    ward=${line#?}
    case $line in
        +*) wards="$wards$IFS$ward" ;;
        -*)
            left=
            for other in $wards; do
                [ "$other" = "$ward" ] || left="$left$IFS$other"
            done
            wards=$left
            ;;
    esac
done
for ward in $wards; do
    case $ward in /*) ;; *) kill -s KILL -- "-$ward" ;; esac
done
for ward in $wards; do
    case $ward in /*) rm -rf -- "$ward" ;; esac
done
"#;

impl fmt::Display for Ward<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(id) => write!(f, "{id}"),
            Self::Dir(path) => write!(f, "{}", path.display()),
        }
    }
}
