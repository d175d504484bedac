//! Pipes between a victim and a peer that it finds by name: what was sent arrives whole and in
//! order before the end, and each side is told of the other's.
//!
//! The other side is a process that is asked for what it receives: as a list of operations, each of
//! its answers would need an operation more. So what arrives is counted here.

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crossdock::process::{Conn, Listener, PipeOptions, PipeReceiver, PipeSender};
use crossdock::queue::{RecvError, SendError, TryRecvError};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::{Broken, Child, Rig, forked, wait_readable};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    /// Sends a message behind another one.
    Send,
    /// Sends its last message and drops the end.
    Finish,
    /// Receives one of two messages.
    Receive,
    /// Receives from a full pipe, at which the peer waits to send.
    MakeRoom,
    /// Drops its receiver, while the peer waits to send.
    Refuse,
}

struct Piping {
    verb: Verb,
    seeded: bool,
}

struct Place {
    base: Base,
    peer: Peer,
    name: String,
    /// The memory of the pipes, once both have them.
    memory: RefCell<Option<File>>,
    /// A byte comes when the peer was told that the victim's receiver is gone.
    told: PipeReader,
}

/// The bytes of a direction.
const CAPACITY: u64 = 512;
/// The bytes of a message.
const MESSAGE: usize = 40;

const DONE: u8 = 0;
const FAILED: u8 = 250;
/// The peer was not told of a receiver that was dropped.
const UNTOLD: u8 = 251;
/// What was received is another message.
const OTHER: u8 = 252;

/// What the peer is asked for, and what it answers.
const TRY_RECEIVE: u8 = b'r';
const RECEIVE: u8 = b'R';
const SEND: u8 = b's';
const EMPTY: u8 = 200;
const END: u8 = 201;
const SENT: u8 = 202;
const TORN: u8 = 203;

fn message(number: u8) -> Vec<u8> {
    (0..MESSAGE)
        .map(|at| number ^ at.to_le_bytes()[0])
        .collect()
}

/// The number of a message that is whole.
fn number(bytes: &[u8]) -> u8 {
    match bytes.first() {
        Some(number) if *number < EMPTY && bytes == message(*number) => *number,
        _ => TORN,
    }
}

/// The process at the other end.
struct Peer {
    child: RefCell<Child>,
    ask: PipeWriter,
    answers: PipeReader,
    /// The memory files that it had before it had those of the pipes.
    known: Vec<u64>,
}

impl Peer {
    /// Starts one that accepts a connection at a name, sends what the victim is to find, and then
    /// does what it is asked for.
    fn start(name: &str, verb: Verb, mut tell: PipeWriter) -> Rig<Self> {
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
            u8::from(Self::serve(conn, verb, (asked, &mut answer), &mut tell).is_none())
        })?;
        if !wait_readable(&ready, Duration::from_secs(10))? {
            return Err(Broken("a peer does not listen".into()));
        }
        let mut peer = Self {
            child: RefCell::new(child),
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
        for entry in fs::read_dir(format!("/proc/{}/fd", self.child.borrow().pid()))? {
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
        verb: Verb,
        (mut asked, answer): (PipeReader, &mut PipeWriter),
        tell: &mut PipeWriter,
    ) -> Option<()> {
        let (mut to, mut from) = conn.split();
        let mut next = 0;
        let first = match verb {
            Verb::Receive => 2,
            Verb::MakeRoom | Verb::Refuse => u8::MAX,
            Verb::Send | Verb::Finish => 0,
        };
        while next < first && to.try_send_bytes(&message(next)).is_ok() {
            next += 1;
        }
        loop {
            let mut command = [0];
            asked.read_exact(&mut command).ok()?;
            let said = match command[0] {
                TRY_RECEIVE => match from.try_recv_bytes() {
                    Ok(bytes) => number(&bytes),
                    Err(TryRecvError::Empty) => EMPTY,
                    Err(TryRecvError::Disconnected) => END,
                    Err(_) => TORN,
                },
                RECEIVE => match from.recv_bytes() {
                    Ok(bytes) => number(&bytes),
                    Err(RecvError::Disconnected) => END,
                    Err(_) => TORN,
                },
                _ => match to.send_bytes(&message(next)) {
                    Ok(()) => {
                        next += 1;
                        SENT
                    }
                    Err(SendError::Disconnected(())) => {
                        tell.write_all(b"!").ok()?;
                        END
                    }
                    Err(_) => TORN,
                },
            };
            answer.write_all(&[said]).ok()?;
        }
    }

    fn ask(&self, command: u8) -> Rig {
        (&self.ask).write_all(&[command])?;
        Ok(())
    }

    /// The answer, if it comes in time.
    fn answer(&self, patience: Duration) -> Rig<Option<u8>> {
        if !wait_readable(&self.answers, patience)? {
            return Ok(None);
        }
        let mut said = [0];
        (&self.answers).read_exact(&mut said)?;
        Ok(Some(said[0]))
    }
}

impl Place {
    /// Asks the peer, and waits for the answer.
    fn hear(&self, command: u8, scene: &mut Scene) -> Rig<u8> {
        self.peer.ask(command)?;
        self.answer(scene)
    }

    fn answer(&self, scene: &mut Scene) -> Rig<u8> {
        let said = self.peer.answer(scene.patience)?;
        if said.is_none() {
            scene.stuck("the peer waits on");
        }
        if said == Some(TORN) {
            scene.lost("the peer has a message that is torn, or another error");
        }
        Ok(said.unwrap_or(TORN))
    }
}

#[derive(Default)]
struct Seen {
    /// How many messages the peer has received.
    received: u8,
    /// The peer was told of the end of what it receives.
    ended: bool,
    /// The peer was asked to send, and has not answered.
    sends: bool,
}

impl Piping {
    fn waits_to_send(&self) -> bool {
        matches!(self.verb, Verb::MakeRoom | Verb::Refuse)
    }

    /// The peer receives what there is, or waits for the end.
    fn receive(place: &Place, command: u8, seen: &mut Seen, scene: &mut Scene) -> Rig {
        loop {
            match place.hear(command, scene)? {
                END => {
                    seen.ended = true;
                    return Ok(());
                }
                EMPTY | TORN => return Ok(()),
                number if seen.ended || number != seen.received => {
                    let (expected, ended) = (seen.received, seen.ended);
                    scene.lost(format!(
                        "message {number} comes in place of {expected}, after the end: {ended}"
                    ));
                    return Ok(());
                }
                _ => seen.received += 1,
            }
        }
    }

    /// The victim is gone.
    fn judge(&self, place: &Place, mut seen: Seen, done: bool, scene: &mut Scene) -> Rig {
        if seen.sends {
            match place.answer(scene)? {
                SENT => scene.outcome("sent"),
                _ => scene.outcome("refused"),
            }
        }
        Self::receive(place, RECEIVE, &mut seen, scene)?;
        let sends = matches!(self.verb, Verb::Send | Verb::Finish);
        let (least, most) = match (sends, done) {
            (true, true) => (2, 2),
            (true, false) => (1, 2),
            (false, _) => (0, 0),
        };
        let received = seen.received;
        if received < least || received > most {
            scene.lost(format!(
                "{received} messages arrive, expected {least} to {most}"
            ));
        }
        // What the peer sends is refused, once the pipe is full at the latest.
        for _ in 0..CAPACITY {
            match place.hear(SEND, scene)? {
                SENT => {}
                END => return Ok(()),
                _ => break,
            }
        }
        scene.stuck("the peer is not told that its receiver is gone");
        Ok(())
    }
}

type Ends = (PipeSender<()>, PipeReceiver<()>);

impl Operation for Piping {
    type World = Place;
    type Seen = Seen;

    fn world(&self) -> Rig<Place> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Relaxed);
        let name = format!("crash-{}-{count}", std::process::id());
        let (told, tell) = std::io::pipe()?;
        Ok(Place {
            base: Base::new(4)?,
            peer: Peer::start(&name, self.verb, tell)?,
            name,
            memory: RefCell::new(None),
            told,
        })
    }

    fn base<'a>(&self, place: &'a Place) -> &'a Base {
        &place.base
    }

    fn image(&self, place: &Place, image: &mut Vec<u8>) -> Rig {
        image.clear();
        if let Some(memory) = &*place.memory.borrow() {
            image.resize(usize::try_from(memory.metadata()?.len())?, 0);
            memory.read_exact_at(image, 0)?;
        }
        Ok(())
    }

    fn victim(&self, place: Owned<Place>, begin: &mut dyn FnMut()) -> u8 {
        let options = PipeOptions::new().capacity(CAPACITY);
        let Ok(conn) = options.connect::<(), ()>(&place.name) else {
            return FAILED;
        };
        let ends: Ends = conn.split();
        // The victim's death is the end of what it has.
        let mut ends = Owned::new(ends);
        let sends = matches!(self.verb, Verb::Send | Verb::Finish);
        if sends && ends.0.send_bytes(&message(0)).is_err() {
            return FAILED;
        }
        begin();
        self.act(&place, ends)
    }

    fn assemble(&self, place: &Place, seen: &mut Seen) -> Rig {
        let known = &place.peer.known;
        let memory = place.peer.memory_files()?;
        let pipes = memory.into_iter().find(|(inode, _)| !known.contains(inode));
        let (_, path) = pipes.ok_or_else(|| Broken("the pipes have no memory".into()))?;
        place.memory.replace(Some(File::open(path)?));
        if self.waits_to_send() {
            place.peer.ask(SEND)?;
            let child = place.peer.child.borrow();
            if !child.sleeps_on_a_futex(Duration::from_secs(10)) {
                return Err(Broken("the peer does not wait".into()));
            }
            seen.sends = true;
        }
        Ok(())
    }

    fn meanwhile(&self, place: &Place, seen: &mut Seen, scene: &mut Scene) -> Rig {
        if matches!(self.verb, Verb::Send | Verb::Finish) {
            Self::receive(place, TRY_RECEIVE, seen, scene)?;
            if seen.ended && (self.verb == Verb::Send || seen.received < 2) {
                scene.lost("the peer is told of the end, and the victim lives");
            }
        }
        Ok(())
    }

    fn after_kill(&self, place: &Place, seen: Seen, scene: &mut Scene) -> Rig {
        self.judge(place, seen, false, scene)
    }

    fn after_end(&self, place: &Place, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        match code {
            DONE => {}
            UNTOLD => scene.stuck("the peer is not told of a receiver that was dropped"),
            OTHER => scene.lost("the victim receives another message"),
            _ => scene.lost(format!("the victim ended with {code}")),
        }
        self.judge(place, seen, true, scene)
    }
}

impl Piping {
    /// The victim's operation.
    fn act(&self, place: &Place, mut ends: Owned<Ends>) -> u8 {
        match self.verb {
            Verb::Send | Verb::Finish => {
                if !self.seeded && ends.0.send_bytes(&message(1)).is_err() {
                    return FAILED;
                }
                if self.verb == Verb::Finish {
                    let (to, from) = Owned::into_inner(ends);
                    drop(to);
                    std::mem::forget(from);
                }
                DONE
            }
            Verb::Receive | Verb::MakeRoom => {
                if self.seeded {
                    let _ = ends.1.recv_bytes();
                }
                match ends.1.recv_bytes() {
                    Ok(bytes) if number(&bytes) == 0 => DONE,
                    Ok(_) => OTHER,
                    Err(_) => FAILED,
                }
            }
            Verb::Refuse => {
                let (to, from) = Owned::into_inner(ends);
                std::mem::forget(to);
                if self.seeded {
                    std::mem::forget(from);
                } else {
                    drop(from);
                }
                let patience = match self.seeded {
                    true => Duration::from_millis(100),
                    false => Duration::from_secs(20),
                };
                match wait_readable(&place.told, patience) {
                    Ok(true) => DONE,
                    Ok(false) => UNTOLD,
                    Err(_) => FAILED,
                }
            }
        }
    }
}

/// The operations on pipes.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Piping { verb, seeded };
    "PipeSender::send" Send "a message that is not sent"
    "PipeSender: the last message, and dropped" Finish "a message that is not sent"
    "PipeReceiver::recv" Receive "a message that is skipped"
    "PipeReceiver::recv beside a sender that waits" MakeRoom "a message that is skipped"
    "PipeReceiver: dropped beside a sender that waits" Refuse "an end that is not given up"
};
