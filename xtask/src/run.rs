//! Programs that xtask starts: with a terminal of their own, or watched, with their output kept.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Failed, Outcome, root};

/// Whether cargo keeps what makes the next build of the same code faster.
const INCREMENTAL: &str = "CARGO_INCREMENTAL";

/// Builds an optimised program beside the command, with as little as can be: the library has the
/// features that it has there, and is built once for all of them.
pub(crate) const AS_COMMAND: [&str; 5] = [
    "build",
    "--release",
    "--no-default-features",
    "-p",
    "crossdock-cli",
];

/// cargo, the one that runs us, at the root of the workspace.
pub(crate) fn cargo<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    static IS_FIRST: OnceLock<bool> = OnceLock::new();
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    if env::var_os(INCREMENTAL).is_none() && *IS_FIRST.get_or_init(is_first) {
        command.env(INCREMENTAL, "0");
    }
    command
}

/// Whether nothing of the library has been built yet: what would make the next build faster makes
/// the first one slower by a fifth.
fn is_first() -> bool {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let built = fs::read_dir(root().join(target).join("debug/deps"));
    let mut names = built.into_iter().flatten().flatten();
    !names.any(|entry| entry.file_name().as_bytes().starts_with(b"libcrossdock-"))
}

/// Whether `cargo NAME` is there to be used.
pub(crate) fn cargo_has(name: &str) -> bool {
    let mut command = cargo([name, "--version"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a command whose output goes where ours goes.
pub(crate) fn pass_through(mut command: Command) -> Outcome {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            eprintln!("xtask: {} ended with {status}", shown(&command));
            Err(if status.code() == Some(2) {
                Failed::Usage
            } else {
                Failed::Check
            })
        }
        Err(error) => {
            eprintln!("xtask: {} could not be started: {error}", shown(&command));
            Err(Failed::Check)
        }
    }
}

/// Has cargo build one program, and says where it is.
pub(crate) fn built(mut command: Command) -> Result<PathBuf, Failed> {
    command
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let built = command.output().map_err(|error| {
        eprintln!("xtask: {} could not be started: {error}", shown(&command));
        Failed::Check
    })?;
    if !built.status.success() {
        eprintln!("xtask: {} ended with {}", shown(&command), built.status);
        return Err(Failed::Check);
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let path = messages.lines().find_map(executable);
    path.map(|path| root().join(path)).ok_or_else(|| {
        eprintln!("xtask: {} named no program", shown(&command));
        Failed::Check
    })
}

/// The path of the program, if this message of cargo's names one.
fn executable(message: &str) -> Option<String> {
    if !message.contains(r#""reason":"compiler-artifact""#) {
        return None;
    }
    let (_, path) = message.split_once(r#""executable":""#)?;
    let mut chars = path.chars();
    let mut plain = String::new();
    loop {
        match chars.next()? {
            '"' => return Some(plain),
            '\\' => plain.push(chars.next()?),
            other => plain.push(other),
        }
    }
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

/// How a watched program ended, and all that it wrote.
pub(crate) struct Watched {
    /// `None`: it was still running when its time was up, and was killed.
    pub(crate) status: Option<ExitStatus>,
    /// Its standard output, then its standard error.
    pub(crate) output: String,
    pub(crate) took: Duration,
}

impl Watched {
    pub(crate) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// Runs a command to its end or to the end of `limit`, and keeps its output.
pub(crate) fn watched(command: &mut Command, limit: Duration) -> io::Result<Watched> {
    let begun = Instant::now();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());

    // Both pipes reach their end when the program does: no polling, no sleeping.
    let deadline = begun + limit;
    let left = || deadline.saturating_duration_since(Instant::now());
    let (out, err) = match (stdout.recv_timeout(left()), stderr.recv_timeout(left())) {
        (Ok(out), Ok(err)) => (out, err),
        (out, err) => return killed(child, out.ok(), err.ok(), (&stdout, &stderr), begun),
    };
    let status = child.wait()?;
    Ok(Watched {
        status: Some(status),
        output: out + &err,
        took: begun.elapsed(),
    })
}

fn killed(
    mut child: Child,
    out: Option<String>,
    err: Option<String>,
    pipes: (&mpsc::Receiver<String>, &mpsc::Receiver<String>),
    begun: Instant,
) -> io::Result<Watched> {
    child.kill()?;
    child.wait()?;
    let out = out.unwrap_or_else(|| pipes.0.recv().unwrap_or_default());
    let err = err.unwrap_or_else(|| pipes.1.recv().unwrap_or_default());
    Ok(Watched {
        status: None,
        output: out + &err,
        took: begun.elapsed(),
    })
}

/// Does `work` for each item, as many at once as there are processors; what came of each, in the
/// order of the items.
pub(crate) fn at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let processors = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..processors.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    done.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Reads a pipe to its end on a thread, and sends all of it at once.
fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        // The receiver is gone only when no process wants the text any more.
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> Watched {
        watched(Command::new("sh").args(["-c", script]), limit).expect("sh can be started")
    }

    #[test]
    fn a_program_that_ends_is_reported_with_its_output() {
        let done = shell("echo out; echo err >&2; exit 3", Duration::from_secs(60));
        assert_eq!(done.status.and_then(|status| status.code()), Some(3));
        assert_eq!(done.output, "out\nerr\n");
        assert!(!done.succeeded());
    }

    #[test]
    fn a_program_whose_time_is_up_is_killed() {
        let done = shell("echo begun; exec sleep 600", Duration::from_millis(100));
        assert!(done.status.is_none());
        assert_eq!(done.output, "begun\n");
    }

    #[test]
    fn what_is_done_at_once_comes_back_in_order() {
        let items: Vec<u32> = (0..100).collect();
        let squares = at_once(&items, |item| item * item);
        assert!(
            squares
                .iter()
                .copied()
                .eq(items.iter().map(|item| item * item))
        );
        assert!(at_once(&[], |item: &u32| *item).is_empty());
    }

    #[test]
    fn the_test_binary_is_found_among_cargos_messages() {
        let artifact = r#"{"reason":"compiler-artifact","executable":"/a \"b\"/c","fresh":true}"#;
        assert_eq!(executable(artifact).as_deref(), Some(r#"/a "b"/c"#));
        let library = r#"{"reason":"compiler-artifact","executable":null,"fresh":true}"#;
        assert_eq!(executable(library), None);
        assert_eq!(
            executable(r#"{"reason":"build-finished","success":true}"#),
            None
        );
    }
}
