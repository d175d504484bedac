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

/// How long the thread sleeps at most: it looks for peers that have left, and whether its signal is
/// still there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often the lock of a peer is asked for right after its process has ended.
const PROMPT_TRIES: u32 = 3;
/// How often after that, and how long after the first: twice as long each time, some 200 ms in all.
const RETRIES: u32 = 11;
const FIRST_DELAY: Duration = Duration::from_micros(50);

/// What the thread has.
pub(super) struct Watcher {
    mailbox: Arc<Mailbox>,
    here: Here,
    pid_namespace: u64,
    segments: Vec<WatchedSegment>,
}

/// A segment, and the peer that it knows at an index: one at most, so there is an end to them.
struct WatchedSegment {
    mapping: Weak<Mapping>,
    peers: BTreeMap<u32, Peer>,
}

/// A peer that somebody waits for.
struct Peer {
    tag: Tag,
    state: PeerState,
}

enum PeerState {
    /// Its process runs, for all that is known.
    Running(Descriptor),
    /// Its process has ended, and its lock is still held: the kernel takes both away a moment apart.
    /// Or a copy of the lock's descriptor lives on in a child.
    Exited { tries: u32, due: Deadline },
    /// It is left to the waiters' slices.
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
            // Cleared before the look: what is told after it raises it again.
            self.mailbox.signal.clear();
            if !self.update_segments() {
                break;
            }
        }
    }

    /// The descriptors that are waited for: the signal's, and then those of the peers.
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

    /// Takes down what the wait said of the peers that run, in their order, and looks at those that
    /// are due.
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

    /// Looks at the inbox and at what the waiters want; false if it is time to stop.
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
    /// Whatever ended the thread: nobody raises its signal any more.
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
    /// Forgets the peers that have left, and begins to watch those that are new.
    fn update(&mut self, mapping: &Mapping, namespace: u64, here: &Here) {
        self.peers
            .retain(|_, peer| mapping.registry().is_live(peer.tag));
        for tag in mapping.watch_requests().requested() {
            let known = self.peers.get(&tag.index());
            if known.is_some_and(|peer| peer.tag == tag) {
                continue;
            }
            // The one that had the index before has left, or is dead and was reaped.
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

/// Begins to watch a peer; none if it is gone, or if the next one to wait for it shall ask again.
fn watch(mapping: &Mapping, tag: Tag, namespace: u64, here: &Here) -> Option<PeerState> {
    let Some(pid) = Membership::pid_of(mapping, tag, namespace) else {
        return (!reaped(mapping, tag)).then_some(PeerState::Unwatched);
    };
    let opened = pidfd::open(pid);
    // Asked after the descriptor was opened: if it lives now, the number was its own then.
    if reaped(mapping, tag) {
        return None;
    }
    let pidfd = opened.and_then(|fd| Descriptor::new(fd, here));
    pidfd.ok().map(PeerState::Running)
}

impl Peer {
    /// Its process has ended, or it is time to look again; whether the participant is dead, the
    /// registry says.
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

/// Reaps the participant if it is dead; whether it is gone.
fn reaped(mapping: &Mapping, tag: Tag) -> bool {
    Membership::reap_at(mapping, tag.index());
    !mapping.registry().is_live(tag)
}
