//! Python's `multiprocessing.Value` under its lock: scripts that the interpreter runs.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crossdock_cli::contention::{Kind, Sample, Setting};
use crossdock_cli::{Failure, pin};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::failed;

const PYTHON: &str = "python3";
/// For starting the interpreter and its processes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a script is and what it was called.
#[derive(Clone, Copy)]
pub(crate) enum Script {
    Contention,
    Kills,
    Queues,
    Chaos,
    Pools,
    Objects,
}

/// What every script begins with.
const COMMON: &str = include_str!("../../python/common.py");

impl Script {
    /// What is behind [`COMMON`].
    fn text(self) -> &'static str {
        match self {
            Self::Contention => include_str!("../../python/contention.py"),
            Self::Kills => include_str!("../../python/kills.py"),
            Self::Queues => include_str!("../../python/queues.py"),
            Self::Chaos => include_str!("../../python/chaos.py"),
            Self::Pools => include_str!("../../python/pools.py"),
            Self::Objects => include_str!("../../python/objects.py"),
        }
    }

    /// Runs the script with this process's number and `arguments`; each line that it prints is an
    /// object, and `each` gets it. It is killed when it says nothing for `patience`.
    pub(crate) fn run<T: DeserializeOwned>(
        self,
        arguments: &[u64],
        patience: Duration,
        each: impl FnMut(T),
    ) -> Result<(), Failure> {
        self.run_by(PYTHON, arguments, patience, each)
    }

    /// As [`run`](Self::run), by another interpreter.
    pub(crate) fn run_by<T: DeserializeOwned>(
        self,
        interpreter: &str,
        arguments: &[u64],
        patience: Duration,
        mut each: impl FnMut(T),
    ) -> Result<(), Failure> {
        let mut command = Command::new(interpreter);
        command
            .args(["-I", "-c", &[COMMON, self.text()].join("\n")])
            .arg(std::process::id().to_string())
            .args(arguments.iter().map(u64::to_string))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut running = Running(command.spawn().map_err(|error| said(&error))?);
        let lines = running.lines();
        loop {
            match lines.recv_timeout(patience) {
                Ok(line) => each(serde_json::from_str(&line).map_err(|error| said(&error))?),
                Err(RecvTimeoutError::Disconnected) => return running.end(),
                Err(RecvTimeoutError::Timeout) => {
                    return Err(said(&format!("silent for {} s", patience.as_secs())));
                }
            }
        }
    }
}

fn said(words: &dyn std::fmt::Display) -> Failure {
    failed(PYTHON, words)
}

/// An interpreter that ends, and its processes with it, when this does.
struct Running(Child);

impl Running {
    fn lines(&mut self) -> Receiver<String> {
        let (sender, receiver) = mpsc::channel();
        let stdout = self.0.stdout.take();
        thread::spawn(move || {
            let lines = stdout
                .into_iter()
                .flat_map(|out| BufReader::new(out).lines());
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        receiver
    }

    /// Its outcome, once it has closed its output.
    fn end(mut self) -> Result<(), Failure> {
        let mut words = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            // What came before an error is still worth showing.
            let _ = stderr.read_to_string(&mut words);
        }
        let status = self.0.wait().map_err(|error| said(&error))?;
        if status.success() {
            return Ok(());
        }
        let last = words.lines().last().unwrap_or_default();
        Err(said(&format!("{status}: {last}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended needs neither.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The interpreter's version, if there is one.
pub(crate) fn version() -> Option<String> {
    let output = Command::new(PYTHON).arg("--version").output().ok()?;
    let words = String::from_utf8(output.stdout).ok()?;
    let version = words.trim().strip_prefix("Python ")?.to_owned();
    output.status.success().then_some(version)
}

/// The entrant; only for settings without work.
pub(super) const KIND: Kind = Kind {
    name: "python",
    about: "Python `Value`, its `get_lock()`",
    run: measure,
};

#[derive(Deserialize)]
struct Found {
    ops: Vec<u64>,
    elapsed_ns: u64,
    expected: u64,
    found: u64,
}

fn measure(setting: &Setting) -> Result<Sample, Failure> {
    let nanos = u64::try_from(setting.time.as_nanos()).unwrap_or(u64::MAX);
    let mut sample = None;
    let patience = setting.time + PATIENCE;
    let mut arguments = vec![setting.processes.into(), nanos];
    let cores = pin::cores()?;
    let worker = |worker| setting.pin.core(worker, &cores);
    arguments.extend(
        (0..setting.processes)
            .filter_map(worker)
            .map(|core| core as u64),
    );
    Script::Contention.run(&arguments, patience, |found: Found| {
        sample = Some(Sample {
            ops: found.ops,
            elapsed: Duration::from_nanos(found.elapsed_ns),
            expected: found.expected,
            found: found.found,
            latency: None,
        });
    })?;
    sample.ok_or_else(|| said(&"no result"))
}
