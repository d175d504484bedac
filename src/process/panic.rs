//! Panics of a spawned process: what it prints, and what its parent is told.
//!
//! A hook prints the name of the process, and leaves the place and the backtrace of the panic to
//! the thread, where the worker finds them once the panic has left the function. A panic with
//! another message was the function's own business, which it caught; so was every panic after which
//! the program has set a hook of its own.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::env;
use std::fmt::{self, Write as _};
use std::io::{self, Write as _};
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;
use std::thread::{self, ThreadId};

use serde::{Deserialize, Serialize};

use super::own;

/// The longest backtrace, in bytes; deeper frames are left out.
const MAX_BACKTRACE: usize = 64 << 10;
/// Names in frames below which a backtrace is the panic's own.
const PANICS_ABOVE: [&str; 2] = ["rust_begin_unwind", "__rust_end_short_backtrace"];
/// The name in the frame from which a backtrace is that of every worker.
const WORKER_BELOW: &str = "crossdock_begin_short_backtrace";

/// Calls `function` in a frame that backtraces end at.
#[inline(never)]
pub(super) fn crossdock_begin_short_backtrace<R>(function: impl FnOnce() -> R) -> R {
    let returned = function();
    // So that the call is not the last thing here, for which no frame would stay.
    std::hint::black_box(());
    returned
}

/// A panic of a spawned function: its message, its place, and its backtrace.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    message: String,
    location: Option<PanicLocation>,
    backtrace: Option<String>,
}

impl Panic {
    /// Returns the message; `Box<dyn Any>` for a payload that is not a string.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the place in the source; `None` if the program has set a panic hook of its own in
    /// the process, or resumed a panic that it had caught.
    pub fn location(&self) -> Option<&PanicLocation> {
        self.location.as_ref()
    }

    /// Returns the backtrace, if the environment variable `RUST_BACKTRACE` asked for one in the
    /// process: its frames from the panic down to the function, or all of them for `full`, at most
    /// 64 KiB.
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }

    /// Returns the panic with this payload that has left a function of this thread.
    pub(super) fn of(payload: &(dyn Any + Send)) -> Self {
        let message = message_of(payload);
        let last = LAST.take().filter(|last| last.message == message);
        last.unwrap_or_else(|| Self {
            message: message.to_owned(),
            location: None,
            backtrace: None,
        })
    }

    /// Returns what of it fits into so many bytes, encoded: the backtrace is left out first, then
    /// the end of the message.
    pub(super) fn shortened(&self, most: usize) -> Self {
        /// What the encoding takes beside the texts, at most.
        const REST: usize = 64;
        let mut short = self.clone();
        let texts = |panic: &Self| {
            let location = panic.location.as_ref().map_or(0, |place| place.file.len());
            let backtrace = panic.backtrace.as_ref().map_or(0, String::len);
            panic.message.len() + location + backtrace + REST
        };
        if texts(&short) > most {
            short.backtrace = None;
        }
        let excess = texts(&short).saturating_sub(most);
        let mut end = short.message.len().saturating_sub(excess);
        while !short.message.is_char_boundary(end) {
            end -= 1;
        }
        short.message.truncate(end);
        short
    }

    /// Returns a panic of this message, for tests of what carries one.
    #[cfg(test)]
    pub(crate) fn with_message(message: &str) -> Self {
        Self::of(&message.to_owned())
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(f, "panicked at {location}: {}", self.message),
            None => write!(f, "panicked: {}", self.message),
        }
    }
}

/// The backtrace as a program prints it, behind the rest.
impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match &self.backtrace {
            Some(backtrace) => write!(f, "\nstack backtrace:\n{backtrace}"),
            None => Ok(()),
        }
    }
}

/// A place in the source. Its text is `FILE:LINE:COLUMN`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicLocation {
    file: String,
    line: u32,
    column: u32,
}

impl PanicLocation {
    /// Returns the path of the file, as the compiler was given it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the line, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Returns the column, counted from 1.
    pub fn column(&self) -> u32 {
        self.column
    }
}

impl fmt::Display for PanicLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What else is told of each panic.
static AT_PANICS: OnceLock<fn(&Panic)> = OnceLock::new();

/// Has `told` be called with each panic of this process, in the thread that panics.
pub(super) fn at_panics(told: fn(&Panic)) {
    // Of two, which no process has, the first.
    let _ = AT_PANICS.set(told);
}

thread_local! {
    /// The last panic of this thread.
    static LAST: RefCell<Option<Panic>> = const { RefCell::new(None) };
}

/// Which frames of a backtrace are printed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frames {
    None,
    /// Those of the function.
    Short,
    All,
}

impl Frames {
    /// Returns what `RUST_BACKTRACE` asks for, as the standard library reads it.
    fn asked_for() -> Self {
        match env::var_os("RUST_BACKTRACE") {
            None => Self::None,
            Some(value) if value == "0" => Self::None,
            Some(value) if value == "full" => Self::All,
            Some(_) => Self::Short,
        }
    }
}

/// Installs the hook. This thread runs the function.
pub(super) fn install() {
    // Read once: a panic may happen while another thread changes the environment.
    let frames = Frames::asked_for();
    let worker = thread::current().id();
    panic::set_hook(Box::new(move |info| report(info, frames, worker)));
}

fn report(info: &PanicHookInfo<'_>, frames: Frames, worker: ThreadId) {
    let panic = Panic {
        message: message_of(info.payload()).to_owned(),
        location: info.location().map(|location| PanicLocation {
            file: location.file().to_owned(),
            line: location.line(),
            column: location.column(),
        }),
        backtrace: (frames != Frames::None).then(|| backtrace(frames)),
    };
    print(&panic, worker);
    if let Some(told) = AT_PANICS.get() {
        told(&panic);
    }
    // It fails while the thread ends, when no function is left to panic.
    let _ = LAST.try_with(|last| last.replace(Some(panic)));
}

/// Prints what the standard library's hook does, with the process in place of its main thread.
fn print(panic: &Panic, worker: ThreadId) {
    let mut text = String::from("\n");
    let current = thread::current();
    if current.id() != worker {
        let name = current.name().unwrap_or("<unnamed>");
        let _ = write!(text, "thread '{name}' of ");
    }
    let name = &own::lineage().name;
    let _ = write!(text, "process '{name}' ({}) panicked", std::process::id());
    if let Some(location) = &panic.location {
        let _ = write!(text, " at {location}");
    }
    let _ = writeln!(text, ":\n{}", panic.message);
    match &panic.backtrace {
        Some(backtrace) => {
            let _ = writeln!(text, "stack backtrace:\n{}", backtrace.trim_end());
        }
        None => text.push_str(
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
        ),
    }
    // One write, so that the texts of processes do not mix. There is nowhere to report an error.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

fn backtrace(frames: Frames) -> String {
    let all = Backtrace::force_capture().to_string();
    let mut kept = match frames {
        Frames::Short => functions_own(&all),
        Frames::None | Frames::All => all,
    };
    if kept.len() > MAX_BACKTRACE {
        let cut = &kept.as_bytes()[..MAX_BACKTRACE];
        let end = cut.iter().rposition(|byte| *byte == b'\n');
        kept.truncate(end.map_or(0, |at| at + 1));
        kept.push_str("      (deeper frames are left out)\n");
    }
    kept
}

/// Returns the frames between those of the panic and those of every worker; all of them where the
/// names are not known.
fn functions_own(all: &str) -> String {
    let lines: Vec<&str> = all.lines().collect();
    let is_frame = |line: &str| {
        let number = line.trim_start().split(':').next().unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let ends = lines.iter().position(|line| line.contains(WORKER_BELOW));
    let begins = lines
        .iter()
        .rposition(|line| PANICS_ABOVE.iter().any(|name| line.contains(name)));
    // A name of the function's own, below, is not one of the panic's.
    let begins = begins.filter(|begin| ends.is_none_or(|end| *begin < end));
    let begin = begins.map_or(0, |at| {
        let next = lines.iter().skip(at + 1).position(|line| is_frame(line));
        next.map_or(lines.len(), |next| at + 1 + next)
    });
    let end = ends.unwrap_or(lines.len()).max(begin);
    let mut kept = lines[begin..end].join("\n");
    kept.push('\n');
    kept
}

/// Returns the message of a panic, if its payload is a string, as `panic!` makes them.
pub(super) fn message_of(payload: &(dyn Any + Send)) -> &str {
    if let Some(message) = payload.downcast_ref::<&str>() {
        message
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message
    } else {
        "Box<dyn Any>"
    }
}
