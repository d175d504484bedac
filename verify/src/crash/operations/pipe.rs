//! Pipes between a victim and a peer that it finds by name: what was sent arrives whole and in
//! order before the end, and each side is told of the other's.
//!
//! The peer is a process that is asked for what the others do.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::mem::forget;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::process::{Conn, Listener, PipeOptions, PipeReceiver, PipeSender};
use crossdock::queue::{RecvError, SendError, TryRecvError};
use crossdock_spec::FAILED;
use crossdock_spec::conn::Op::{
    AwaitBriefly, AwaitTold, Connect, DropReceiver, DropSender, ForgetReceiver, Recv, Send,
    SendAll, TryRecv,
};
use crossdock_spec::conn::{CAPACITY, EMPTY, END, Op, State};

use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::{Broken, Child, Rig, exit_now, forked, wait_readable};

/// The bytes of a direction, which are as many messages as the specification has it.
const BYTES: u64 = 512;
/// The bytes of a message.
const MESSAGE: usize = 40;
/// How long a peer may take that has not to wait.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

fn message(number: u8) -> Vec<u8> {
    (0..MESSAGE)
        .map(|at| number ^ at.to_le_bytes()[0])
        .collect()
}

/// The number of a message that is whole.
fn number(bytes: &[u8]) -> u8 {
    match bytes.first() {
        Some(number) if *number < EMPTY && bytes == message(*number) => *number,
        _ => FAILED,
    }
}

/// What was received, or why nothing was.
fn received(came: Result<Vec<u8>, RecvError>) -> u8 {
    match came {
        Ok(bytes) => number(&bytes),
        Err(RecvError::Disconnected) => END,
        Err(_) => FAILED,
    }
}

/// The process at the other end, which is asked by numbers of operations.
struct Peer {
    child: Child,
    ask: PipeWriter,
    answers: PipeReader,
    /// The memory files that it had before it had those of the pipes.
    known: Vec<u64>,
}

const TRY_RECV: u8 = 1;
const RECV: u8 = 2;
const SEND: u8 = 3;

impl Peer {
    /// Starts one that accepts a connection at a name, sends what the victim is to find, and then
    /// does what it is asked for. It says in `tell` that it was told of the end by a send.
    fn start(name: &str, sent: u8, mut tell: PipeWriter) -> Rig<Self> {
        let (asked, ask) = std::io::pipe()?;
        let (answers, mut answer) = std::io::pipe()?;
        let (ready, mut is_ready) = std::io::pipe()?;
        let child = forked(|| {
            let Ok(listener) = Listener::<(), ()>::bind(name) else {
                return 1;
            };
            if is_ready.write_all(b"!").is_err() {
                return 1;
            }
            let Ok((conn, _)) = listener.accept() else {
                return 1;
            };
            u8::from(Self::serve(conn, sent, (asked, &mut answer), &mut tell).is_none())
        })?;
        if !wait_readable(&ready, Duration::from_secs(10))? {
            return Err(Broken("a peer does not listen".into()));
        }
        let mut peer = Self {
            child,
            ask,
            answers,
            known: Vec::new(),
        };
        let known = peer.memory_files()?.into_iter();
        peer.known = known.map(|(inode, _)| inode).collect();
        Ok(peer)
    }

    /// The inodes and paths of its open memory files.
    fn memory_files(&self) -> Rig<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(format!("/proc/{}/fd", self.child.pid()))? {
            let path = entry?.path();
            let link = fs::read_link(&path).unwrap_or_default();
            if link.to_string_lossy().starts_with("/memfd:") {
                found.push((fs::metadata(&path)?.ino(), path));
            }
        }
        Ok(found)
    }

    fn serve(
        conn: Conn<(), ()>,
        sent: u8,
        (mut asked, answer): (PipeReader, &mut PipeWriter),
        tell: &mut PipeWriter,
    ) -> Option<()> {
        let (mut to, mut from) = conn.split();
        let mut next = 0;
        while next < sent && to.try_send_bytes(&message(next)).is_ok() {
            next += 1;
        }
        if sent == CAPACITY && (next < sent || to.try_send_bytes(&message(next)).is_ok()) {
            return None;
        }
        loop {
            let mut command = [0];
            asked.read_exact(&mut command).ok()?;
            let said = match command[0] {
                TRY_RECV => match from.try_recv_bytes() {
                    Ok(bytes) => number(&bytes),
                    Err(TryRecvError::Empty) => EMPTY,
                    Err(TryRecvError::Disconnected) => END,
                    Err(_) => FAILED,
                },
                RECV => received(from.recv_bytes()),
                _ => match to.send_bytes(&message(next)) {
                    Ok(()) => {
                        next += 1;
                        0
                    }
                    Err(SendError::Disconnected(())) => {
                        tell.write_all(b"!").ok()?;
                        END
                    }
                    Err(_) => FAILED,
                },
            };
            answer.write_all(&[said]).ok()?;
        }
    }

    /// Asks it, and waits for the answer, no longer than `patience`.
    fn ask(&self, command: u8, patience: Duration) -> Option<u8> {
        let mut said = [FAILED];
        if (&self.ask).write_all(&[command]).is_err() {
            return Some(FAILED);
        }
        if !wait_readable(&self.answers, patience).ok()? {
            return None;
        }
        let heard = (&self.answers).read_exact(&mut said);
        Some(if heard.is_ok() { said[0] } else { FAILED })
    }
}

/// The connection of a victim with its peer.
struct Piping {
    peer: Peer,
    name: String,
    /// The memory of the pipes, once both have them.
    memory: OnceCell<File>,
    /// A byte comes when the peer was told that none receives from it.
    told: PipeReader,
}

/// The ends of the victim; any other process asks the peer.
#[derive(Default)]
struct Ends {
    to: Option<PipeSender<()>>,
    from: Option<PipeReceiver<()>>,
    sent: u8,
}

impl Subject for Piping {
    type Spec = State;
    type Hand<'a> = Ends;

    fn create(_: &Base, first: &State) -> Rig<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let name = format!("crash-{}-{count}", std::process::id());
        let (told, tell) = std::io::pipe()?;
        Ok(Self {
            peer: Peer::start(&name, first.sent_by_peer(), tell)?,
            name,
            memory: OnceCell::new(),
            told,
        })
    }

    fn image(&self, _: &Base, image: &mut Vec<u8>) -> Rig {
        if self.memory.get().is_none() {
            let mut memory = self.peer.memory_files()?.into_iter();
            let pipes = memory.find(|(inode, _)| !self.peer.known.contains(inode));
            let (_, path) = pipes.ok_or_else(|| Broken("the pipes have no memory".into()))?;
            let _ = self.memory.set(File::open(path)?);
        }
        if let Some(memory) = self.memory.get() {
            image.resize(usize::try_from(memory.metadata()?.len())?, 0);
            memory.read_exact_at(image, 0)?;
        }
        Ok(())
    }

    fn sleeps(&self, _: &Child, patience: Duration) -> bool {
        self.peer.child.sleeps_on_a_futex(patience)
    }

    fn run(&self, _: &Base, op: Op, ends: &mut Ends, patience: Option<Duration>) -> Option<u8> {
        let patience = patience.unwrap_or(Duration::from_secs(600));
        match op {
            Connect => {
                let options = PipeOptions::new().capacity(BYTES);
                let Ok(conn) = options.connect::<(), ()>(&self.name) else {
                    exit_now(FAILED)
                };
                let (to, from) = conn.split();
                (ends.to, ends.from) = (Some(to), Some(from));
            }
            Send => match &mut ends.to {
                Some(to) => {
                    let sent = to.send_bytes(&message(ends.sent));
                    ends.sent += 1;
                    return Some(sent.map_or(FAILED, |()| 0));
                }
                None => return self.peer.ask(SEND, patience),
            },
            // Once the pipe is full at the latest.
            SendAll => {
                let mut asked = (0..BYTES).map(|_| self.peer.ask(SEND, patience));
                return match asked.find(|said| *said != Some(0))?? {
                    END => Some(0),
                    _ => Some(FAILED),
                };
            }
            TryRecv => return self.peer.ask(TRY_RECV, ANSWERS_WITHIN),
            Recv => match &mut ends.from {
                Some(from) => return Some(received(from.recv_bytes())),
                None => return self.peer.ask(RECV, patience),
            },
            DropSender => ends.to = None,
            DropReceiver => ends.from = None,
            ForgetReceiver => forget(ends.from.take()),
            AwaitTold | AwaitBriefly => {
                let patience = match op {
                    AwaitTold => ANSWERS_WITHIN,
                    _ => Duration::from_millis(100),
                };
                let told = wait_readable(&self.told, patience);
                return told.ok()?.then_some(0);
            }
        }
        Some(0)
    }
}

/// All that arrives, and the end; and what the peer sends is refused.
const LAST: &[Op] = &[Recv, Recv, Recv, SendAll];
/// A victim that has sent a message.
const SENDER: &[Op] = &[Connect, Send];
const TRY: &[Op] = &[TryRecv, TryRecv, TryRecv];
const FULL: State = State::sent(CAPACITY);

/// The operations on pipes.
pub(crate) const LISTED: &[Listed] = specified! { Piping;
    "PipeSender::send" "a message that is not sent" {
        before: SENDER, act: &[Send], bug: &[], meanwhile: TRY, last: LAST,
    }
    "PipeSender: the last message, and dropped" "a message that is not sent" {
        before: SENDER, act: &[Send, DropSender], bug: &[DropSender], meanwhile: TRY, last: LAST,
    }
    "PipeReceiver::recv" "a message that is skipped" {
        first: State::sent(2), before: &[Connect], act: &[Recv], bug: &[Recv, Recv], tells: true,
        last: LAST,
    }
    "PipeReceiver::recv beside a sender that waits" "a message that is skipped" {
        first: FULL, before: &[Connect], act: &[Recv], bug: &[Recv, Recv], tells: true,
        waiter: &[Send], last: LAST,
    }
    "PipeReceiver: dropped beside a sender that waits" "an end that is not given up" {
        first: FULL, before: &[Connect], act: &[DropReceiver, AwaitTold],
        bug: &[ForgetReceiver, AwaitBriefly], waiter: &[Send], last: LAST,
    }
};
