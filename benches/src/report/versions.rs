//! Of what, besides the machine, the figures are.

use std::ffi::CStr;
use std::fmt;

use serde::Serialize;

use crate::peers::locks::python_version;

const LOCK_FILE: &str = include_str!("../../../Cargo.lock");

#[derive(Debug, Serialize)]
pub(crate) struct Versions {
    pub(crate) rustc: &'static str,
    pub(crate) crossdock: &'static str,
    pub(crate) raw_sync: String,
    pub(crate) shared_memory: String,
    pub(crate) parking_lot: String,
    pub(crate) glibc: String,
    /// `None`: it is not there, and nothing of it was measured.
    pub(crate) boost: Option<String>,
    /// `None`: there is no interpreter, and nothing of it was measured.
    pub(crate) python: Option<String>,
}

impl Versions {
    pub(super) fn here() -> Self {
        Self {
            rustc: env!("CROSSDOCK_RUSTC"),
            crossdock: env!("CARGO_PKG_VERSION"),
            raw_sync: locked("raw_sync"),
            shared_memory: locked("shared_memory"),
            parking_lot: locked("parking_lot"),
            glibc: glibc(),
            boost: boost(),
            python: python_version(),
        }
    }
}

/// What something is, and of which version.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Version {
    name: &'static str,
    version: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.version)
    }
}

/// Of what is there to be measured as a queue.
pub(super) fn of_queues() -> Vec<Version> {
    let rustc = env!("CROSSDOCK_RUSTC").trim_start_matches("rustc ");
    let rustc = rustc.split(' ').next().unwrap_or(rustc).to_owned();
    let mut versions = vec![
        ("rustc", rustc),
        ("crossdock", env!("CARGO_PKG_VERSION").to_owned()),
        ("glibc", glibc()),
        ("rtrb", locked("rtrb")),
        ("crossbeam-queue", locked("crossbeam-queue")),
        ("kanal", locked("kanal")),
    ];
    #[cfg(boost)]
    versions.push(("Boost", crate::peers::queues::boost::version()));
    if cfg!(feature = "foreign") {
        versions.push(("iceoryx2", locked("iceoryx2")));
        versions.push(("ipc-channel", locked("ipc-channel")));
    }
    if cfg!(feature = "stores") {
        versions.extend(["heed", "redb", "sled", "redis"].map(|name| (name, locked(name))));
    }
    versions.extend(python_version().map(|version| ("Python", version)));
    let version = |(name, version)| Version { name, version };
    versions.into_iter().map(version).collect()
}

/// The version of a crate in the workspace's lock file.
fn locked(name: &str) -> String {
    let wanted = format!("name = \"{name}\"");
    let lines = LOCK_FILE.lines().zip(LOCK_FILE.lines().skip(1));
    // Of several versions, which are in order, the measured one is the newest.
    let version = lines
        .filter(|(line, _)| *line == wanted)
        .filter_map(|(_, next)| next.strip_prefix("version = "))
        .last();
    version.unwrap_or("unknown").trim_matches('"').to_owned()
}

#[cfg(boost_locks)]
fn boost() -> Option<String> {
    Some(crate::peers::locks::boost_version())
}

#[cfg(not(boost_locks))]
fn boost() -> Option<String> {
    None
}

fn glibc() -> String {
    // SAFETY: takes nothing, and returns a string that lives as long as the program.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: as above.
    let version = unsafe { CStr::from_ptr(version) };
    version.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_known() {
        let versions = Versions::here();
        assert!(versions.rustc.starts_with("rustc "), "{versions:?}");
        assert_eq!(versions.raw_sync, "0.1.5");
        for version in [
            &versions.shared_memory,
            &versions.parking_lot,
            &versions.glibc,
        ] {
            assert!(
                version.starts_with(|c: char| c.is_ascii_digit()),
                "{versions:?}"
            );
        }
        for Version { name, version } in of_queues() {
            assert!(
                version.starts_with(|c: char| c.is_ascii_digit()),
                "{name} {version}"
            );
        }
        assert_eq!(locked("no such crate"), "unknown");
    }
}
