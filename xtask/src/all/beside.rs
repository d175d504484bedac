//! The parts that run beside the others, in a process of their own: what they print is kept, and
//! shown when a part of theirs has ended.
//!
//! That process leads a group, and ends with the whole group when its input does: when the process
//! that started it is interrupted, has failed, or has gone in any other way.

use std::env;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{self, Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use crate::all::part::Part;
use crate::{Failed, Outcome};

/// The verb that such a process is started with.
pub(crate) const VERB: &str = "beside";

/// The process, as seen by the one that started it.
pub(super) struct Beside {
    child: Child,
    ended: Receiver<Ended>,
}

/// A part that has ended, if the process has not, and all that was printed.
struct Ended {
    part: Option<Part>,
    said: String,
}

impl Beside {
    pub(super) fn start() -> io::Result<Self> {
        let (output, input) = io::pipe()?;
        let mut command = Command::new(env::current_exe()?);
        command
            .arg(VERB)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(input.try_clone()?)
            .stderr(input);
        let child = command.spawn()?;
        // The command holds the pipe's other end, and the pipe must end with the process.
        drop(command);
        let (sender, ended) = mpsc::channel();
        thread::spawn(move || collect(output, &sender));
        Ok(Self { child, ended })
    }

    /// The parts that have ended since the last call; what they printed is printed.
    pub(super) fn parts(&self) -> Vec<Part> {
        self.ended.try_iter().filter_map(shown).collect()
    }

    /// Waits for all parts, each of which is printed and handed over as soon as it has ended.
    pub(super) fn finish(&mut self, mut take: impl FnMut(Part)) -> Outcome {
        while let Ok(ended) = self.ended.recv() {
            if let Some(part) = shown(ended) {
                take(part);
            }
        }
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Failed::Check),
        }
    }
}

impl Drop for Beside {
    /// Ends what is still running, which changes nothing after [`finish`](Self::finish).
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ends itself, and can only be waited for.
        let _ = self.child.wait();
    }
}

/// Prints what a part has printed.
fn shown(ended: Ended) -> Option<Part> {
    print!("{}", ended.said);
    ended.part
}

/// Hands over each part when it ends; and says at once if it has failed, though its output may have
/// to wait until others have printed theirs.
fn collect(output: PipeReader, ended: &Sender<Ended>) {
    let mut said = String::new();
    let hand_over = |part: Option<Part>, said: &mut String| {
        let said = std::mem::take(said);
        // Where the other end has failed, no part is waited for.
        let _ = ended.send(Ended { part, said });
    };
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        said += &line;
        said += "\n";
        if let Some(part) = Part::of_line(&line) {
            if part.failed() {
                eprintln!("{line}; its output follows");
            }
            hand_over(Some(part), &mut said);
        }
    }
    if !said.is_empty() {
        hand_over(None, &mut said);
    }
}

/// In the process itself: once nothing holds the other end of its input, it and all that it has
/// started are ended.
pub(super) fn end_with_the_input() {
    thread::spawn(|| {
        // Nothing is ever written there.
        let _ = io::stdin().read(&mut [0]);
        let group = format!("-{}", process::id());
        let mut kill = Command::new("kill");
        kill.args(["-s", "KILL", "--", &group]).stdin(Stdio::null());
        if let Err(error) = kill.status() {
            eprintln!("xtask: what is still running could not be ended: {error}");
        }
        process::exit(1);
    });
}
