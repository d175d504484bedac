//! The thread of a monitor.

use std::collections::BTreeMap;
use std::iter;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use crate::facade::{Deadline, Left};
use crate::participant::Tag;
use crate::segment::mapping::Mapping;
use crate::segment::membership::Membership;
use crate::segment::monitor::Mailbox;
use crate::sys::events::{self, Descriptor, Here, Polled};
use crate::sys::{identity, pidfd};

/// The longest sleep of the thread. After it, the thread checks for peers that have left and
/// whether its signal is still open.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The number of probes of a peer's lock right after its process has exited.
const PROMPT_TRIES: u32 = 3;
/// The number of probes after that, and the delay before the first. The delay doubles each time, to
/// some 200 ms in all.
const RETRIES: u32 = 11;
const FIRST_DELAY: Duration = Duration::from_micros(50);

/// The state of the thread.
pub(super) struct Watcher {
    mailbox: Arc<Mailbox>,
    here: Here,
    pid_namespace: u64,
    segments: Vec<WatchedSegment>,
}

/// A segment and its watched peers, at most one for each index.
struct WatchedSegment {
    mapping: Weak<Mapping>,
    peers: BTreeMap<u32, Peer>,
}

/// A peer that a thread waits for.
struct Peer {
    tag: Tag,
    state: PeerState,
}

enum PeerState {
    /// Its process is not known to have exited.
    Running(Descriptor),
    /// Its process has exited and its lock is still held. The kernel releases the lock a moment
    /// later, or a copy of the lock's descriptor lives on in a child.
    Exited { tries: u32, due: Deadline },
    /// The waiters' slices detect its death.
    Unwatched,
}

impl Watcher {
    pub(super) fn new(mailbox: Arc<Mailbox>, here: Here) -> Self {
        Self {
            mailbox,
            here,
            pid_namespace: identity::own().pid_namespace,
            segments: Vec::new(),
        }
    }

    pub(super) fn run(mut self) {
        while let Ok(said) = self.wait() {
            if !self.mailbox.signal.is_there() {
                break;
            }
            self.handle_events(said.get(1..).unwrap_or_default());
            // Cleared before the update: a later request raises it again.
            self.mailbox.signal.clear();
            if !self.update_segments() {
                break;
            }
        }
    }

    /// Waits for the signal's descriptor and those of the running peers.
    fn wait(&self) -> std::io::Result<Vec<Polled>> {
        let peers = self.segments.iter().flat_map(|it| it.peers.values());
        let running = peers.filter_map(|peer| match &peer.state {
            PeerState::Running(pidfd) => Some(pidfd),
            PeerState::Exited { .. } | PeerState::Unwatched => None,
        });
        events::wait(
            iter::once(self.mailbox.signal.descriptor()).chain(running),
            self.timeout(),
        )
    }

    fn timeout(&self) -> Duration {
        let peers = self.segments.iter().flat_map(|it| it.peers.values());
        let due = peers.filter_map(|peer| match &peer.state {
            PeerState::Exited { due, .. } => Some(match due.left() {
                Left::For(left) => left,
                Left::Passed | Left::Forever => Duration::ZERO,
            }),
            PeerState::Running(_) | PeerState::Unwatched => None,
        });
        due.min().unwrap_or(HEARTBEAT).min(HEARTBEAT)
    }

    /// Handles the events of the running peers, in their order, and probes the peers that are due.
    fn handle_events(&mut self, said: &[Polled]) {
        let mut said = said.iter();
        for watched in &mut self.segments {
            let mapping = watched.mapping.upgrade();
            watched.peers.retain(|_, peer| {
                let ended = match &peer.state {
                    PeerState::Running(_) => said.next() != Some(&Polled::Quiet),
                    PeerState::Exited { due, .. } => due.left() == Left::Passed,
                    PeerState::Unwatched => false,
                };
                let Some(mapping) = mapping.as_deref() else {
                    return false;
                };
                !ended || !peer.has_ended(mapping)
            });
        }
    }

    /// Takes new segments from the inbox and new requests from waiters. Returns false if the thread
    /// is to stop.
    fn update_segments(&mut self) -> bool {
        let (fresh, stop) = {
            let mut inbox = self.mailbox.inbox();
            (std::mem::take(&mut inbox.segments), inbox.stop)
        };
        for mapping in fresh {
            if !self.segments.iter().any(|it| it.mapping.ptr_eq(&mapping)) {
                self.segments.push(WatchedSegment {
                    mapping,
                    peers: BTreeMap::new(),
                });
            }
        }
        let (signal, namespace) = (&self.mailbox.signal, self.pid_namespace);
        let here = &self.here;
        self.segments.retain_mut(|watched| {
            let Some(mapping) = watched.mapping.upgrade() else {
                return false;
            };
            let ours = mapping.watch_requests().belongs_to(signal);
            if ours && !stop {
                watched.update(&mapping, namespace, here);
            }
            ours
        });
        !stop
    }
}

impl Drop for Watcher {
    /// Withdraws the signal from all segments, whatever ended the thread.
    fn drop(&mut self) {
        let fresh = {
            let mut inbox = self.mailbox.inbox();
            inbox.ended = true;
            std::mem::take(&mut inbox.segments)
        };
        let known = self.segments.iter().map(|it| &it.mapping);
        for mapping in known.chain(&fresh).filter_map(Weak::upgrade) {
            let membership = mapping.membership();
            mapping
                .watch_requests()
                .end_for(membership, &self.mailbox.signal);
        }
    }
}

impl WatchedSegment {
    /// Forgets the peers that have left, and starts to watch new ones.
    fn update(&mut self, mapping: &Mapping, namespace: u64, here: &Here) {
        self.peers
            .retain(|_, peer| mapping.registry().is_live(peer.tag));
        for tag in mapping.watch_requests().requested() {
            let known = self.peers.get(&tag.index());
            if known.is_some_and(|peer| peer.tag == tag) {
                continue;
            }
            // The previous participant at the index has left, or was dead and reaped.
            self.peers.remove(&tag.index());
            match watch(mapping, tag, namespace, here) {
                Some(state) => {
                    let runs = matches!(state, PeerState::Running(_));
                    self.peers.insert(tag.index(), Peer { tag, state });
                    mapping.watch_requests().set_watched(tag, runs);
                }
                None => mapping.watch_requests().forget(tag),
            }
        }
    }
}

/// Starts to watch a peer. Returns `None` if it is gone, or if the next waiter is to request it
/// again.
fn watch(mapping: &Mapping, tag: Tag, namespace: u64, here: &Here) -> Option<PeerState> {
    let Some(pid) = Membership::pid_of(mapping, tag, namespace) else {
        return (!reaped(mapping, tag)).then_some(PeerState::Unwatched);
    };
    let opened = pidfd::open(pid);
    // Asked after the descriptor was opened: if the participant lives now, the process id was its
    // own then.
    if reaped(mapping, tag) {
        return None;
    }
    let pidfd = opened.and_then(|fd| Descriptor::new(fd, here));
    pidfd.ok().map(PeerState::Running)
}

impl Peer {
    /// Probes a peer whose process has exited, or whose next probe is due. Returns whether the
    /// registry says that the participant is gone.
    fn has_ended(&mut self, mapping: &Mapping) -> bool {
        let tries = match self.state {
            PeerState::Running(_) => 0,
            PeerState::Exited { tries, .. } => tries + 1,
            PeerState::Unwatched => return false,
        };
        let looks = if tries == 0 { PROMPT_TRIES } else { 1 };
        for look in 0..looks {
            if look > 0 {
                thread::yield_now();
            }
            if reaped(mapping, self.tag) {
                mapping.watch_requests().forget(self.tag);
                return true;
            }
        }
        self.state = if tries < RETRIES {
            let due = Deadline::after(FIRST_DELAY * (1 << tries));
            PeerState::Exited { tries, due }
        } else {
            mapping.watch_requests().set_watched(self.tag, false);
            PeerState::Unwatched
        };
        false
    }
}

/// Reaps the participant if it is dead. Returns whether it is gone.
fn reaped(mapping: &Mapping, tag: Tag) -> bool {
    Membership::reap_at(mapping, tag.index());
    !mapping.registry().is_live(tag)
}
