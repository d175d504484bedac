//! The latest whole value of one writer, for many readers; wait-free on both sides.
//!
//! # State
//!
//! The edition that is the latest, the writer's [`role`](crate::participant::holder), an [event count](crate::wait::event_count) for those
//! who wait for a newer one; a seat for each reader, on lines of its own; and two buffers more than there
//! are seats, each with a stamp: the edition that was written to it last.
//!
//! ```text
//! edition   | version: 52 | index of its buffer: 12 |
//! seat      | nothing, CHOOSING or a buffer: 32 | 0 | reader's tag: 29 |    0 = free
//! ```
//!
//! Invariant 1: nobody writes to the buffer of the latest edition, nor to one that a seat names.
//!
//! # Protocol
//!
//! - read: if the latest edition is the one in the own buffer, that is it. Otherwise CAS the own seat from
//!   its buffer to `CHOOSING`: the writer may have that one now; a full barrier; load the latest edition;
//!   CAS the seat from `CHOOSING` to its buffer. Where that fails, the writer has given the reader a buffer
//!   meanwhile, and the seat names it. The reader has the buffer until it reads again.
//! - publish: pick a buffer that is neither the latest nor named by a seat; write it, and its stamp; CAS the
//!   latest edition: the commit. A full barrier; then give the new edition to all that are still choosing, by a
//!   CAS of each seat from `CHOOSING` to its buffer. Ring the event count.
//! - claim the writer's role: then give the latest edition to all that are choosing, since the writer before
//!   may have died before it did.
//! - sit: CAS a seat from free, or from somebody dead, to the own tag; then ask the registry whether it still
//!   knows that tag, (K1) of [`participant`](crate::participant), and leave if not. Leave: CAS it to free.
//! - wait: see [`wait`](mod@wait).
//!
//! A reader that loaded an edition before a commit finds its CAS refused after the giving that
//! follows it. So when the next buffer is picked, each reader has named the one that it will read, or will choose
//! from what is published since.
//!
//! # Crash
//!
//! | killed | what is left | who repairs it |
//! |---|---|---|
//! | claim | a role of the dead | the next to claim it; whoever reaps: `DIED` |
//! | publish, before the commit | bytes in a buffer that nobody reads | the next publish, of whomever, writes over it, or another |
//! | publish, after the commit | readers that are still choosing, who choose by themselves | the next writer gives to them before it picks a buffer |
//! | the same, before the ringing | a sleeper whose wake is owed | see [event count](crate::wait::event_count) |
//! | a reader, anywhere | its seat, with a buffer or `CHOOSING` | whoever sits down there next; whoever reaps |
//!
//! There are two buffers more than seats, so the writer finds one whatever the dead, or the stopped, have. A
//! stopped reader has its seat and a buffer. A stopped writer keeps its role; readers go on with what is the latest.
//!
//! # Ordering
//!
//! (N1) the commit (Release) pairs with the load of the latest edition (Acquire): the buffer and its stamp.
//! (N2) is the barrier between two stores and two loads:
//!
//! ```text
//! reader                      writer, or its successor
//! seat: CHOOSING              the latest edition
//! barrier                     barrier
//! load the latest edition     choosing? then give
//! ```
//!
//! One of the two sees the other's store. (N3) `CHOOSING`, leaving a seat, and whoever frees or takes one of the
//! dead (Release) pair with the loads by which a buffer is picked (Acquire): reads of the buffer before are
//! done. What changes the seat in between are RMWs, which continue the release sequence. (N4) giving
//! (Release) pairs with the CAS of the reader that fails (Acquire): the buffer and its stamp. (S3) of
//! [`role`](crate::participant::holder) orders writers one after the other, and (M3) of `algorithm::mutex` holds for seats.
//!
//! # Trade-offs
//!
//! The scheme is Chen's and Burns' ("A Fully Asynchronous Reader/Writer Mechanism for Multiprocessor Real-Time
//! Systems", York 1997). A sequence lock has one buffer, but its readers start again as often as the writer
//! comes by, and copy bytes that change; here a reader has a reference. The price is memory for as many
//! values as there are seats, and a look of the writer at every seat. A reader does not say when it has done: its
//! buffer is counted as its own anyway, so a read of what was read before needs no
//! locked instruction, and any other two.

pub(crate) mod entry;
pub(crate) mod layout;
pub(crate) mod wait;

use crate::algorithm::snapshot::layout::{Edition, Held, MOST_BUFFERS, SeatWord};
use crate::facade::{AtomicU64, Ordering, barrier_after_rmw, mutation, ordering};
use crate::format::Padded;
use crate::participant::Tag;
use crate::participant::holder::{self, Garbage, HolderWord};
use crate::participant::{Liveness, is_still_registered};
use crate::wait::event_count::EventCount;

/// What all readers look at seldom.
#[repr(C)]
struct Desk {
    role: HolderWord,
    /// Where those sleep who wait for a newer edition.
    event: EventCount,
}

/// A snapshot but for its seats, stamps and buffers, in the segment.
#[repr(C)]
pub(crate) struct SnapshotState {
    latest: Padded<AtomicU64>,
    desk: Padded<Desk>,
}

/// A reader's seat, in the segment.
pub(crate) type Seat = Padded<AtomicU64>;

/// A word that is not there while all follow the protocol: no snapshot's, or, of a process that others have taken
/// for dead, of a seat or a role that is another's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt {
    pub(crate) word: u64,
}

impl From<Garbage> for Corrupt {
    fn from(Garbage(word): Garbage) -> Self {
        Self { word: word.into() }
    }
}

/// Why no seat was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unseated {
    /// All are those of live participants.
    Full,
    Corrupt(Corrupt),
    /// This process is no participant any more.
    MembershipLost,
}

/// Why the writer's role was not claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unclaimed {
    /// A live participant has it.
    Taken(Tag),
    Corrupt(Corrupt),
    /// This process is no participant any more.
    MembershipLost,
}

/// A reader in its seat; private to its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seated {
    /// Invariant 1: below the number of seats.
    at: usize,
    me: Tag,
    /// What the seat's word is when this reader does nothing.
    word: SeatWord,
    /// The buffer that it has, below the number of buffers, and what is in there; `None` before the first
    /// read.
    has: Option<(u32, Edition)>,
}

impl Seated {
    pub(crate) fn tag(&self) -> Tag {
        self.me
    }

    /// What it has read last.
    pub(crate) fn edition(&self) -> Option<Edition> {
        self.has.map(|(_, edition)| edition)
    }
}

/// How many words have a bit for each buffer.
const MARKS: usize = MOST_BUFFERS / u64::BITS as usize;

/// The writer in its role; private to its process.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    me: Tag,
    /// What is published.
    edition: Edition,
    /// The buffers that are not to be written, while one is picked.
    marks: [u64; MARKS],
}

impl Author {
    pub(crate) fn tag(&self) -> Tag {
        self.me
    }

    /// What is published.
    pub(crate) fn edition(&self) -> Edition {
        self.edition
    }

    fn mark(&mut self, index: u32) {
        if let Some(word) = self.marks.get_mut((index / u64::BITS) as usize) {
            *word |= 1 << (index % u64::BITS);
        }
    }

    /// The first buffer that is not marked.
    fn unmarked(&self) -> u32 {
        let full = self.marks.iter().take_while(|word| **word == u64::MAX);
        let word = full.count();
        let bit = self.marks.get(word).map_or(0, |word| word.trailing_ones());
        u32::try_from(word).map_or(u32::MAX, |word| word * u64::BITS + bit)
    }
}

/// A snapshot but for its buffers: there are as many of those as stamps, and two more than seats.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot<'a> {
    pub(crate) state: &'a SnapshotState,
    pub(crate) seats: &'a [Seat],
    pub(crate) stamps: &'a [AtomicU64],
}

impl SnapshotState {
    #[cfg(test)]
    pub(crate) fn new() -> Self {
        Self {
            latest: Padded(AtomicU64::new(0)),
            desk: Padded(Desk {
                role: HolderWord::new(),
                event: EventCount::new(),
            }),
        }
    }

    fn desk(&self) -> &Desk {
        &self.desk.0
    }

    /// The event count, for [`use_events`](crate::wait::event_count::use_events).
    pub(crate) fn events(&self) -> [&EventCount; 1] {
        [&self.desk().event]
    }

    /// What was published last, for people: its version.
    pub(crate) fn peek(&self) -> u64 {
        // ORDERING: Relaxed; a glance.
        Edition(self.latest.0.load(Ordering::Relaxed)).version()
    }

    /// Gives the writer's role back, if participant `dead` has it, and wakes whom it may have owed a wake.
    fn recover_role(&self, dead: Tag) {
        self.desk().role.recover(dead);
        if !mutation(391) {
            self.desk().event.wake_all();
        }
    }
}

impl Snapshot<'_> {
    /// How many buffers there are.
    #[inline(always)]
    fn count(self) -> u32 {
        u32::try_from(self.stamps.len()).unwrap_or(0)
    }

    /// What was published last.
    #[inline(always)]
    pub(crate) fn latest(self) -> Result<Edition, Corrupt> {
        // ORDERING: Acquire; pairs with (N1) in `commit`.
        let acquire = ordering(Ordering::Acquire, 370);
        let word = self.state.latest.0.load(acquire);
        let edition = Edition(word);
        (edition.index() < self.count())
            .then_some(edition)
            .ok_or(Corrupt { word })
    }

    /// Takes a seat that nobody alive has, with nothing or, to go on with [`choose`](Self::choose),
    /// choosing.
    pub(crate) fn sit(
        self,
        me: Tag,
        held: Held,
        peers: &impl Liveness,
    ) -> Result<Seated, Unseated> {
        let first = me.index() as usize % self.seats.len().max(1);
        let word = SeatWord::new(me, held);
        let mut wrong = None;
        // Those that are free first: to ask who lives is a system call.
        for asks in [false, true] {
            for at in (first..self.seats.len()).chain(0..first) {
                match self.try_sit(at, word, peers, asks) {
                    // INVARIANT: 1, by the range.
                    Ok(true) => {
                        let seated = Seated {
                            at,
                            me,
                            word,
                            has: None,
                        };
                        return self.stay(seated, peers);
                    }
                    Ok(false) => {}
                    Err(corrupt) => wrong = Some(corrupt),
                }
            }
        }
        Err(wrong.map_or(Unseated::Full, Unseated::Corrupt))
    }

    /// Whether one that has just sat down is a participant still; else its seat is free again.
    fn stay(self, seated: Seated, peers: &impl Liveness) -> Result<Seated, Unseated> {
        if is_still_registered(peers, 610) {
            return Ok(seated);
        }
        if !mutation(611) {
            // Where it is another's by now, others have given it back.
            let _ = self.leave_seat(&seated);
        }
        Err(Unseated::MembershipLost)
    }

    /// Takes one seat if it is free, or, if it is asked for, its reader dead.
    fn try_sit(
        self,
        at: usize,
        word: SeatWord,
        peers: &impl Liveness,
        asks: bool,
    ) -> Result<bool, Corrupt> {
        let seat = &self.seats[at].0;
        loop {
            // ORDERING: Acquire; pairs with (M3) below.
            let seen = SeatWord(seat.load(Ordering::Acquire));
            if seen != SeatWord::FREE {
                let corrupt = Corrupt { word: seen.0 };
                let tag = seen.tag(peers.participants()).ok_or(corrupt)?;
                if !asks || !mutation(385) && peers.is_alive(tag) {
                    return Ok(false);
                }
            }
            // ORDERING: Release; (M3), and (N3): what somebody dead had is not read any more.
            let release = ordering(Ordering::AcqRel, 384);
            let sat = seat.compare_exchange(seen.0, word.0, release, Ordering::Relaxed);
            if sat.is_ok() {
                return Ok(true);
            }
        }
    }

    /// The buffer to read: it is this reader's until it reads again.
    #[inline(always)]
    pub(crate) fn read(self, seated: &mut Seated) -> Result<u32, Corrupt> {
        let latest = self.latest()?;
        match seated.has {
            Some((index, edition)) if edition == latest && self.is_seated(seated) => Ok(index),
            _ => self.read_newer(seated),
        }
    }

    /// Whether the seat is still this reader's, with what it has.
    #[inline(always)]
    fn is_seated(self, seated: &Seated) -> bool {
        // ORDERING: Relaxed; only somebody who takes this process for dead changes it.
        self.seats[seated.at].0.load(Ordering::Relaxed) == seated.word.0
    }

    #[inline(never)]
    fn read_newer(self, seated: &mut Seated) -> Result<u32, Corrupt> {
        if mutation(388) {
            return self.read_unannounced(seated);
        }
        let choosing = SeatWord::new(seated.me, Held::Choosing);
        // ORDERING: Release; (N3) gives up the buffer that was read before.
        let release = ordering(Ordering::AcqRel, 374);
        let seat = &self.seats[seated.at].0;
        seat.compare_exchange(seated.word.0, choosing.0, release, Ordering::Relaxed)
            .map_err(|word| Corrupt { word })?;
        seated.word = choosing;
        seated.has = None;
        self.choose(seated)
    }

    /// A seeded bug: takes what was the latest without having said that it chooses.
    fn read_unannounced(self, seated: &mut Seated) -> Result<u32, Corrupt> {
        let latest = self.latest()?;
        let word = seated.word.with(latest.index());
        self.seats[seated.at].0.store(word.0, Ordering::Release);
        seated.word = word;
        seated.has = Some((latest.index(), latest));
        Ok(latest.index())
    }

    /// The buffer to read, of one whose seat has just been made `CHOOSING`.
    pub(crate) fn choose(self, seated: &mut Seated) -> Result<u32, Corrupt> {
        // (N2)
        if !mutation(372) {
            barrier_after_rmw();
        }
        let latest = self.latest();
        let held = latest.map_or(Held::Nothing, |edition| Held::Buffer(edition.index()));
        let word = SeatWord::new(seated.me, held);
        let seat = &self.seats[seated.at].0;
        // ORDERING: Acquire if it fails; pairs with (N4). Else Relaxed: it is part of the release
        // sequence of (N3).
        let acquire = ordering(Ordering::Acquire, 377);
        match seat.compare_exchange(seated.word.0, word.0, Ordering::Relaxed, acquire) {
            Ok(_) => {
                seated.word = word;
                let edition = latest?;
                seated.has = Some((edition.index(), edition));
                Ok(edition.index())
            }
            Err(given) => self.take(seated, SeatWord(given), latest),
        }
    }

    /// The buffer that the writer has given.
    #[cold]
    fn take(
        self,
        seated: &mut Seated,
        given: SeatWord,
        latest: Result<Edition, Corrupt>,
    ) -> Result<u32, Corrupt> {
        let (true, Some(Held::Buffer(index))) = (given.is_of(seated.me), given.held(self.count()))
        else {
            return Err(Corrupt { word: given.0 });
        };
        seated.word = given;
        if let (true, Ok(edition)) = (mutation(393), latest) {
            return Ok(edition.index());
        }
        // ORDERING: Relaxed; (N4) orders it.
        let edition = Edition(self.stamps[index as usize].load(Ordering::Relaxed));
        seated.has = Some((index, edition));
        Ok(index)
    }

    /// Gives the seat back, if it is still this reader's.
    pub(crate) fn leave_seat(self, seated: &Seated) -> Result<(), Corrupt> {
        self.free(seated.at, seated.word, seated.me, 386)
    }

    /// Frees a seat if it is `tag`'s.
    fn free(self, at: usize, mut seen: SeatWord, tag: Tag, mutant: u32) -> Result<(), Corrupt> {
        // ORDERING: Release; (N3).
        let release = ordering(Ordering::AcqRel, mutant);
        let seat = &self.seats[at].0;
        while seen.is_of(tag) {
            match seat.compare_exchange(seen.0, SeatWord::FREE.0, release, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(now) => seen = SeatWord(now),
            }
        }
        Err(Corrupt { word: seen.0 })
    }

    /// Becomes the writer, if nobody alive is.
    pub(crate) fn claim(self, me: Tag, peers: &impl Liveness) -> Result<Author, Unclaimed> {
        let role = &self.state.desk().role;
        role.claim(me, peers).map_err(|refused| match refused {
            holder::HolderError::Taken(tag) => Unclaimed::Taken(tag),
            holder::HolderError::Garbage(garbage) => Unclaimed::Corrupt(garbage.into()),
            holder::HolderError::MembershipLost => Unclaimed::MembershipLost,
        })?;
        match self.latest() {
            Ok(edition) => {
                // (N2)
                if !mutation(380) {
                    barrier_after_rmw();
                }
                if !mutation(379) {
                    self.give(edition);
                }
                Ok(Author {
                    me,
                    edition,
                    marks: [0; MARKS],
                })
            }
            Err(corrupt) => {
                self.leave(me);
                Err(Unclaimed::Corrupt(corrupt))
            }
        }
    }

    /// A buffer that nobody reads, and nobody will before it is committed.
    #[inline]
    pub(crate) fn pick(self, author: &mut Author) -> Result<u32, Corrupt> {
        self.state.desk().role.check(author.me)?;
        let words = self.stamps.len().div_ceil(u64::BITS as usize);
        author
            .marks
            .iter_mut()
            .take(words)
            .for_each(|word| *word = 0);
        if !mutation(382) {
            author.mark(author.edition.index());
        }
        for seat in self.seats {
            // ORDERING: Acquire; pairs with (N3).
            let word = seat.0.load(ordering(Ordering::Acquire, 375));
            match SeatWord(word).held(self.count()) {
                Some(Held::Buffer(index)) if !mutation(381) => author.mark(index),
                Some(_) => {}
                None => return Err(Corrupt { word }),
            }
        }
        // At most as many are marked as there are seats, and one more.
        Ok(author.unmarked().min(self.count().saturating_sub(1)))
    }

    /// Publishes a buffer that was picked and written.
    #[inline]
    pub(crate) fn commit(self, author: &mut Author, index: u32) -> Result<Edition, Corrupt> {
        let edition = author.edition.next(index);
        // ORDERING: Relaxed; (N1) and (N4) publish it with the buffer.
        self.stamps[index as usize].store(edition.0, Ordering::Relaxed);
        // ORDERING: Release; (N1).
        let release = ordering(Ordering::Release, 371);
        let latest = &self.state.latest.0;
        latest
            .compare_exchange(author.edition.0, edition.0, release, Ordering::Relaxed)
            .map_err(|word| Corrupt { word })?;
        author.edition = edition;
        // (N2)
        if !mutation(373) {
            barrier_after_rmw();
        }
        if !mutation(378) {
            self.give(edition);
        }
        if !mutation(390) {
            self.state.desk().event.notify_all();
        }
        Ok(edition)
    }

    /// Gives the latest edition to all that are choosing.
    #[inline]
    fn give(self, latest: Edition) {
        for seat in self.seats {
            // ORDERING: Relaxed; (N2) orders it, and the CAS decides.
            let seen = SeatWord(seat.0.load(Ordering::Relaxed));
            if seen.is_choosing() {
                let given = seen.with(latest.index());
                // ORDERING: Release; (N4). No seeded bug weakens it: the barrier before it is one, too.
                let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
                // Where it fails the reader has chosen.
                let _ = seat.0.compare_exchange(seen.0, given.0, release, relaxed);
            }
        }
    }

    /// Gives the writer's role back; does nothing if it is no longer `me`'s.
    pub(crate) fn leave(self, me: Tag) {
        let desk = self.state.desk();
        if desk.role.leave(me) && !mutation(394) {
            desk.event.wake_all();
        }
    }

    /// Gives back what participant `dead` has, and wakes whom it may have owed a wake.
    pub(crate) fn recover(self, dead: Tag) {
        for (at, seat) in self.seats.iter().enumerate() {
            // ORDERING: Relaxed; whether somebody dead has it, who does nothing any more.
            let seen = SeatWord(seat.0.load(Ordering::Relaxed));
            // Most are others'.
            let _ = self.free(at, seen, dead, 387);
        }
        self.state.recover_role(dead);
    }
}

#[cfg(test)]
pub(crate) mod tests;
