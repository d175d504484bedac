//! Threads of one process under loom: their handles come and go, and they are one participant.

use core::cell::Cell;
use core::mem::ManuallyDrop;

use crate::facade::model::{
    explore_at_least, explore_deaths_at_least, process, running, unlock_byte,
};
use crate::facade::{Arc, AtomicU32, Exclusive, Guarded, Ordering, Words, exclusive, mutants};
use crate::participant::Tag;
use crate::participant::attachment::{Attachment, Link, Shared, Table};
use crate::participant::own_tag::OwnTag;
use crate::participant::registry::tests::Word;
use crate::participant::registry::{ByteLocks, Joined, Registry};
use crate::participant::stage::{ModelByteLocks, StartWith, finish, start};

mutants! {
    model_attachment_that_comes_while_the_last_goes_is_the_same_participant:
        732 "a mapping is removed from the table under another exclusion than the leave, after it",
        733 "a mapping is removed from the table under another exclusion than the leave, before it";
    model_attachments_of_two_threads_are_one_participant:
        734 "a fresh mapping is added without a second look at the table",
        735 "a thread joins without a second look at the tag";
    model_attachment_whose_tag_another_thread_puts_down_is_alive:
        736 "a thread does not acquire the tag that another joined as",
        737 "a thread does not publish the tag it joined as";
    model_attachment_that_lost_its_membership_is_rejoined_once:
        738 "a lost membership is forgotten though another thread has joined anew";
    model_attachment_that_was_told_of_a_loss_that_is_none_stays:
        647 "a membership is forgotten though the registry has it";
    model_attachment_that_goes_last_leaves_after_all_was_done:
        739 "the last handle does not acquire what was done through the others",
        740 "a handle that goes does not publish what was done through it";
}

/// A segment with room for one participant.
struct Segment {
    words: [Word; 1],
    cursor: AtomicU32,
    /// 0, or a tag that a process has put down.
    word: AtomicU32,
}

impl Segment {
    fn create() -> Arc<Self> {
        Arc::new(Self {
            words: [Word::new(0)],
            cursor: AtomicU32::new(0),
            word: AtomicU32::new(0),
        })
    }

    fn registry(&self) -> Registry<'_, Word> {
        Registry::new(&self.words, &self.cursor)
    }

    fn reap(&self) {
        let locks = ModelByteLocks(running());
        self.registry().reap(0, None, &locks, |_| true);
    }
}

/// What a process has of it.
struct Mapping {
    segment: Arc<Segment>,
    tag: AtomicU32,
    link: Link<Self>,
    /// What each of two threads has done through a handle.
    done: [Words<1>; 2],
}

type Handle = Attachment<Mapping>;

loom::lazy_static! {
    static ref TABLES: [Table<Mapping>; 4] = core::array::from_fn(|_| Guarded::new(None));
}

impl Shared for Mapping {
    type Id = *const Segment;

    fn table() -> &'static Table<Self> {
        &TABLES[running() as usize]
    }

    fn id(&self) -> Self::Id {
        Arc::as_ptr(&self.segment)
    }

    fn link(&self) -> &Link<Self> {
        &self.link
    }

    fn leave(&self, exclusive: &Exclusive) {
        self.own_tag().leave(exclusive, |tag| {
            let visit = |_| {
                for done in &self.done {
                    done.read();
                }
                true
            };
            let locks = ModelByteLocks(running());
            let Ok(()) = self.segment.registry().leave(tag, &locks, visit);
        });
    }
}

impl Mapping {
    fn own_tag(&self) -> OwnTag<'_> {
        OwnTag::new(&self.tag)
    }

    fn try_tag(&self) -> Option<Tag> {
        if let Some(tag) = self.own_tag().current() {
            return Some(tag);
        }
        let exclusive = exclusive();
        let join = || {
            let locks = ModelByteLocks(running());
            self.segment.registry().join(&locks, || 0, |_| {})
        };
        match self.own_tag().join(&exclusive, join) {
            Ok(Joined::As(tag)) => Some(tag),
            Ok(Joined::Full | Joined::Resting(_)) => None,
        }
    }

    /// The tag of the running process, which is the only one.
    fn tag(&self) -> Tag {
        self.try_tag()
            .expect("RegistryFull: this process is two participants")
    }

    fn expel(&self, tag: Tag) {
        let exclusive = exclusive();
        let locks = ModelByteLocks(running());
        let is_member = || self.segment.registry().is_member(tag, &locks);
        self.own_tag().forget(&exclusive, tag, is_member, || {
            let Ok(()) = locks.unlock(tag.index());
        });
    }

    fn assert_stands(&self, tag: Tag) {
        let stands = self
            .segment
            .registry()
            .is_member(tag, &ModelByteLocks(running()));
        assert!(stands, "a membership ended beside a handle");
    }
}

fn open(segment: &Arc<Segment>) -> Handle {
    Handle::find(Arc::as_ptr(segment)).unwrap_or_else(|| {
        Handle::insert(Arc::new(Mapping {
            segment: segment.clone(),
            tag: AtomicU32::new(0),
            link: Link::new(),
            done: [Words::new([0]), Words::new([0])],
        }))
    })
}

/// A handle that one thread is given, to drop it when it likes.
struct Given(Cell<Option<Handle>>);

impl Given {
    fn new(handle: Handle) -> Self {
        Self(Cell::new(Some(handle)))
    }

    fn take(&self) -> Handle {
        self.0.take().expect("given once")
    }
}

/// What process 1 does before it has a second thread.
fn alone<T>(body: impl Fn() -> T) -> T {
    let done = Cell::new(None);
    process(1, None, || done.set(Some(body())));
    done.take().expect("no death")
}

/// Everything is given back: there is no mapping of process 1, and another process gets the index.
fn assert_left(segment: &Arc<Segment>) {
    alone(|| {
        assert!(
            Handle::find(Arc::as_ptr(segment)).is_none(),
            "a mapping stays"
        )
    });
    process(2, None, || {
        tag_of(&open(segment));
    });
}

fn tag_of(handle: &Handle) -> Tag {
    let tag = handle.tag();
    handle.assert_stands(tag);
    tag
}

/// Hunts: a thread that opens while the last handle of another goes, and is told that the registry
/// is full, or has a second membership, or loses its membership while it has a handle.
#[test]
fn model_attachment_that_comes_while_the_last_goes_is_the_same_participant() {
    explore_at_least(3, || {
        let segment = Segment::create();
        let last = alone(|| {
            let handle = open(&segment);
            handle.tag();
            Given::new(handle)
        });
        finish([
            start(1, None, move || drop(last.take())),
            segment.start(1, None, move |other| {
                let first = open(&other);
                let tag = tag_of(&first);
                let second = open(&other);
                assert_eq!(tag_of(&second), tag, "two participants");
                drop(first);
                assert_eq!(tag_of(&second), tag, "two participants");
            }),
        ]);
        assert_left(&segment);
    });
}

/// Hunts: two threads that open at once and are two participants, by two mappings or by joining
/// twice through one.
#[test]
fn model_attachments_of_two_threads_are_one_participant() {
    explore_at_least(3, || {
        let segment = Segment::create();
        finish([(); 2].map(|()| {
            segment.start(1, None, move |segment| {
                let handle = open(&segment);
                tag_of(&handle);
            })
        }));
        assert_left(&segment);
    });
}

/// Hunts: a kill at any step of opening, joining, leaving and coming again, after which another
/// process does not get the index.
#[test]
fn model_attachment_wherever_its_process_dies_another_gets_the_index() {
    explore_deaths_at_least(3, |death| {
        let segment = Segment::create();
        finish([
            segment.start(1, death, move |victim| {
                for _ in 0..2 {
                    // A process that dies drops nothing.
                    let mut handle = ManuallyDrop::new(open(&victim));
                    if let Some(tag) = handle.try_tag() {
                        handle.assert_stands(tag);
                    }
                    // SAFETY: dropped once.
                    unsafe { ManuallyDrop::drop(&mut handle) };
                }
            }),
            segment.start(2, None, move |other| {
                let handle = open(&other);
                handle.segment.reap();
                if let Some(tag) = handle.try_tag() {
                    handle.assert_stands(tag);
                }
            }),
        ]);
        segment.reap();
        process(3, None, || {
            tag_of(&open(&segment));
        });
    });
}

/// Hunts: a tag that a thread read without the exclusion and put into a word, where its reader does
/// not see the registry say that it lives.
#[test]
fn model_attachment_whose_tag_another_thread_puts_down_is_alive() {
    explore_at_least(3, || {
        let segment = Segment::create();
        let handle = alone(|| open(&segment));
        let (joins, claims) = (Given::new(handle.clone()), Given::new(handle));
        finish([
            start(1, None, move || {
                let handle = ManuallyDrop::new(joins.take());
                handle.tag();
            }),
            start(1, None, move || {
                let handle = ManuallyDrop::new(claims.take());
                if let Some(tag) = handle.own_tag().current() {
                    // ORDERING: Release; as every claim has it.
                    let word = &handle.segment.word;
                    word.store(tag.bits(), Ordering::Release);
                }
            }),
            segment.start(2, None, move |asked| {
                let word = asked.word.load(Ordering::Acquire);
                if let Some(tag) = Tag::in_word(word, 1) {
                    let lives = asked.registry().probe(tag, &ModelByteLocks(running()));
                    assert!(lives, "a claimant is dead");
                }
            }),
        ]);
    });
}

/// Hunts: two threads that learn that their process was taken for dead, of which the second throws
/// away the membership that the first has joined anew.
#[test]
fn model_attachment_that_lost_its_membership_is_rejoined_once() {
    explore_at_least(3, || {
        let segment = Segment::create();
        let (handle, lost) = alone(|| {
            let handle = open(&segment);
            let tag = handle.tag();
            (handle, tag)
        });
        unlock_byte(0, 1);
        process(2, None, || segment.reap());
        let given = [Given::new(handle.clone()), Given::new(handle)];
        finish(given.map(|given| {
            start(1, None, move || {
                let handle = given.take();
                handle.expel(lost);
                tag_of(&handle);
            })
        }));
        assert_left(&segment);
    });
}

/// Hunts: a thread that could not ask for a while, and so forgets a membership by which another
/// thread holds something: a peer gets the index.
#[test]
fn model_attachment_that_was_told_of_a_loss_that_is_none_stays() {
    explore_at_least(3, || {
        let segment = Segment::create();
        let (handle, tag) = alone(|| {
            let handle = open(&segment);
            let tag = handle.tag();
            (handle, tag)
        });
        let [told, works] = [Given::new(handle.clone()), Given::new(handle)];
        finish([
            start(1, None, move || {
                let handle = told.take();
                handle.expel(tag);
                assert_eq!(tag_of(&handle), tag, "two participants");
            }),
            start(1, None, move || {
                let handle = works.take();
                assert_eq!(tag_of(&handle), tag, "two participants");
            }),
            segment.start(2, None, move |peer| peer.reap()),
        ]);
        assert_left(&segment);
    });
}

/// Hunts: a leave that gives back what it has not seen yet: done by another thread, through its
/// handle.
#[test]
fn model_attachment_that_goes_last_leaves_after_all_was_done() {
    explore_at_least(3, || {
        let segment = Segment::create();
        let handle = alone(|| {
            let handle = open(&segment);
            handle.tag();
            handle
        });
        let given = [Given::new(handle.clone()), Given::new(handle)];
        let mut place = 0..;
        finish(given.map(|given| {
            let place = place.next().unwrap_or(0);
            start(1, None, move || {
                let handle = given.take();
                handle.done[place].write(&[1]);
            })
        }));
        assert_left(&segment);
    });
}
