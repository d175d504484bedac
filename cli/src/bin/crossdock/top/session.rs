//! The terminal, from the first look until it is as it was.
//!
//! Between two looks the process sleeps in poll(2), on the terminal's keys and on a signalfd. So a
//! signal that ends it is a thing that is read, never one that interrupts the drawing.

use std::fs::File;
use std::io::{self, IsTerminal, Read, stdin, stdout};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use ratatui::DefaultTerminal;

use super::sample::Sample;
use super::screen::{Shown, Wishes, draw};
use super::{Options, unusable};

/// The signals that end a program, by default.
const ENDING: [Signal; 4] = [
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
];

const ESCAPE: u8 = 0x1b;
const CTRL_C: u8 = 3;

/// How long the rest of a key's bytes may take, in milliseconds.
const REST_OF_KEY: u16 = 50;

/// Why it has ended.
enum End {
    Quit,
    Signal(Signal),
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, String> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Ok(unusable(
            "top needs a terminal; to print: crossdock inspect",
        ));
    }
    // What is wrong with the name is said on an untouched terminal.
    let first = Sample::take(&options.segment)?;
    let system = |error: io::Error| format!("the terminal: {error}");
    let signals = Signals::new().map_err(system)?;
    let keys = stdin().as_fd().try_clone_to_owned().map_err(system)?;
    let ended = {
        let mut screen = Screen::new().map_err(system)?;
        watch(options, &mut screen, &signals, &mut keys.into(), first)
    };
    match ended? {
        End::Quit => Ok(ExitCode::SUCCESS),
        End::Signal(signal) => {
            signals.end(signal);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Shows looks until a key, a signal or an error ends that.
fn watch(
    options: &Options,
    screen: &mut Screen,
    signals: &Signals,
    keys: &mut File,
    mut sample: Sample,
) -> Result<End, String> {
    let system = |error: io::Error| format!("the terminal: {error}");
    let mut wishes = Wishes::default();
    let mut next = Instant::now() + options.interval;
    loop {
        wishes.sort.apply(&mut sample);
        let drawn = screen.0.draw(|frame| draw(frame, &sample, &mut wishes));
        drawn.map_err(system)?;
        let left = next.saturating_duration_since(Instant::now());
        let wait = (!wishes.is_paused).then_some(left);
        let (has_keys, has_signals) = ready(keys, signals, wait).map_err(system)?;
        if has_signals && let Some(signal) = signals.ending() {
            return Ok(End::Signal(signal));
        }
        if has_keys {
            let pressed = read(keys, signals).map_err(system)?;
            let goes_on = presses(&pressed).all(|key| wishes.press(key));
            if pressed.is_empty() || !goes_on {
                return Ok(End::Quit);
            }
        }
        if !wishes.is_paused && Instant::now() >= next {
            let mut newer = Sample::take(&options.segment)
                .map_err(|error| format!("{error}, while top looked at it"))?;
            newer.since(&sample);
            sample = newer;
            next = Instant::now() + options.interval;
        }
    }
}

/// Sleeps until there are keys, signals, or the time is over.
fn ready(keys: &File, signals: &Signals, wait: Option<Duration>) -> io::Result<(bool, bool)> {
    // Rounded up, not to wake just before.
    let wait = wait.map(|wait| wait.as_millis() + 1);
    let wait = wait.map_or(Ok(PollTimeout::NONE), PollTimeout::try_from);
    let wait = wait.unwrap_or(PollTimeout::MAX);
    let mut fds = [
        PollFd::new(keys.as_fd(), PollFlags::POLLIN),
        PollFd::new(signals.0.as_fd(), PollFlags::POLLIN),
    ];
    match poll(&mut fds, wait) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let any = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
    Ok((any(&fds[0]), any(&fds[1])))
}

/// Reads keys; none means that the terminal is gone.
fn read(keys: &mut File, signals: &Signals) -> io::Result<Vec<u8>> {
    let mut bytes = [0; 256];
    let mut len = keys.read(&mut bytes)?;
    // Escape, or the first byte of an arrow that comes slowly.
    if bytes[..len] == [ESCAPE] {
        let rest = Duration::from_millis(REST_OF_KEY.into());
        if ready(keys, signals, Some(rest))?.0 {
            len += keys.read(&mut bytes[len..])?;
        }
    }
    Ok(bytes[..len].to_vec())
}

/// A key that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    Escape,
    Byte(u8),
}

/// The keys in bytes of a terminal. Sequences of other keys are left out.
pub(super) fn presses(bytes: &[u8]) -> impl Iterator<Item = Key> + '_ {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            let (key, left) = match rest {
                [] => return None,
                [ESCAPE] => (Some(Key::Escape), &[][..]),
                [ESCAPE, b'[' | b'O', sequence @ ..] => {
                    let end = sequence.iter().position(|byte| matches!(byte, 0x40..=0x7e));
                    let end = end.unwrap_or(sequence.len());
                    let key = match sequence.get(..=end) {
                        Some(b"A") => Some(Key::Up),
                        Some(b"B") => Some(Key::Down),
                        _ => None,
                    };
                    (key, sequence.get(end + 1..).unwrap_or_default())
                }
                [ESCAPE, _, left @ ..] => (None, left),
                [byte, left @ ..] => (Some(Key::Byte(*byte)), left),
            };
            rest = left;
            if key.is_some() {
                return key;
            }
        }
    })
}

impl Wishes {
    /// Does what a key asks for; `false` to quit.
    pub(super) fn press(&mut self, key: Key) -> bool {
        match key {
            Key::Escape | Key::Byte(b'q' | CTRL_C) => return false,
            Key::Byte(b's') => self.sort = self.sort.next(),
            Key::Byte(b' ') => self.is_paused = !self.is_paused,
            Key::Byte(b'p') => self.show(Shown::Participants),
            Key::Byte(b'e') => self.show(Shown::Entries),
            Key::Up => self.first = self.first.saturating_sub(1),
            Key::Down => self.first = self.first.saturating_add(1),
            Key::Byte(_) => {}
        }
        true
    }

    fn show(&mut self, shown: Shown) {
        self.shown = shown;
        self.first = 0;
    }
}

/// The terminal in raw mode, on its other screen; as it was again when this is dropped. A panic
/// restores it before its message is printed.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    pub(super) fn new() -> io::Result<Self> {
        match ratatui::try_init() {
            Ok(terminal) => Ok(Self(terminal)),
            Err(error) => {
                let _as_far_as_it_came = ratatui::try_restore();
                Err(error)
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _the_terminal_may_be_gone = ratatui::try_restore();
        }
        // The cursor is shown by the drop of ratatui's terminal.
    }
}

/// The signals that end the program, and that of another size of the terminal, read like keys.
struct Signals(SignalFd);

impl Signals {
    fn new() -> io::Result<Self> {
        let mut all = SigSet::from_iter(ENDING);
        all.add(Signal::SIGWINCH);
        // This thread is the only one.
        all.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&all, flags)?))
    }

    /// Takes the signals that have come, up to one that ends.
    fn ending(&self) -> Option<Signal> {
        while let Ok(Some(info)) = self.0.read_signal() {
            let signal = info.ssi_signo.try_into().ok();
            let signal = signal.and_then(|signal: i32| Signal::try_from(signal).ok());
            if let Some(signal) = signal.filter(|signal| ENDING.contains(signal)) {
                return Some(signal);
            }
        }
        None
    }

    /// Ends this process by the signal, as if it had never been blocked.
    fn end(self, signal: Signal) {
        let ended = raise(signal).and_then(|()| SigSet::from_iter(ENDING).thread_unblock());
        debug_assert!(ended.is_ok(), "{ended:?}");
    }
}
