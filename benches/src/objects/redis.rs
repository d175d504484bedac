//! Redis: a server of its own for each map, which keeps it in memory, over a Unix socket.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crossdock_cli::Failure;
use redis::{Client, Commands, Connection};

use super::{Key, Map, Place};

pub(super) struct Redis(Connection);

const SERVER: &str = "redis-server";
const SOON: Duration = Duration::from_secs(10);

/// What is missing, if there is no server.
pub(super) fn absent() -> Option<String> {
    let found = Command::new(SERVER).arg("--version").output();
    found.is_err().then(|| SERVER.to_owned())
}

fn socket(place: &Place) -> PathBuf {
    place.directory().join("redis")
}

fn connected(place: &Place) -> Result<Connection, Failure> {
    let client = Client::open(format!("redis+unix://{}", socket(place).display()));
    let connection = client.map_err(Failure::worker)?.get_connection();
    connection.map_err(Failure::worker)
}

/// Starts the server of a place. Only one process does, by the file that it makes: the server
/// outlives it, until the place goes.
fn started(place: &Place) -> Result<(), Failure> {
    if File::create_new(place.directory().join("started")).is_err() {
        return Ok(());
    }
    let server = Command::new(SERVER)
        .args(["--port", "0", "--save", "", "--appendonly", "no"])
        .arg("--dir")
        .arg(place.directory())
        .arg("--unixsocket")
        .arg(socket(place))
        .args(["--daemonize", "yes"])
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(Failure::io(SERVER))?;
    if !server.success() {
        return Err(Failure::worker(SERVER));
    }
    Ok(())
}

/// Ends the server of a place, if it has one.
pub(super) fn end(place: &Place) {
    if socket(place).exists()
        && let Ok(mut connection) = connected(place)
    {
        // The connection ends with the server.
        let _ = redis::cmd("SHUTDOWN").arg("NOSAVE").exec(&mut connection);
    }
}

impl Map for Redis {
    fn open(place: &Place) -> Result<Self, Failure> {
        started(place)?;
        let deadline = Instant::now() + SOON;
        loop {
            match connected(place) {
                Ok(connection) => return Ok(Self(connection)),
                Err(failure) if Instant::now() > deadline => return Err(failure),
                Err(_) => std::thread::yield_now(),
            }
        }
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure> {
        self.0.set::<_, _, ()>(key, value).map_err(Failure::worker)
    }

    fn get(&mut self, key: &Key, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        let found: Option<Vec<u8>> = self.0.get(key).map_err(Failure::worker)?;
        bytes.clear();
        bytes.extend_from_slice(found.as_deref().unwrap_or_default());
        Ok(found.is_some())
    }
}
