//! Ends of queues where they cannot go, and constructors of ends that cannot be: errors that name the
//! cure.

use crossdock::Segment;
use crossdock::process::{self, JoinError};
use crossdock::queue::{
    Channel, PairError, Queue, RecvError, SendError, Sender, TryRecvError, WorkQueue, channel, pair,
};
use crossdock::segment::EntryError;
use serde::{Deserialize, Serialize};

use crate::support::call;

/// An argument that does not decode, behind a sender that was taken over.
#[derive(Serialize)]
struct Undecodable;

impl<'de> Deserialize<'de> for Undecodable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("not today"))
    }
}

#[test]
fn an_end_in_a_result_is_refused_with_its_cure() {
    let error = call(|()| channel::<u32>(4).expect("made").0, ());
    let Err(JoinError::Encode(error)) = error else {
        panic!("{error:?}");
    };
    let text = error.to_string();
    assert!(
        text.contains("cannot be a result") && text.contains("return the queue"),
        "{text}"
    );
}

#[test]
fn an_end_in_a_message_is_refused_with_its_cure() {
    let segment = Segment::anonymous().expect("made");
    let error = segment
        .create::<Channel<Sender<u32>>>("senders", 4)
        .expect_err("refused");
    assert!(matches!(error, EntryError::Undecodable { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("argument of process::spawn") && text.contains("queue's name"),
        "{text}"
    );
}

#[test]
fn an_end_that_is_a_forked_parents_is_refused_with_its_cure() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let refused = call(
        |sender: Sender<u32>| {
            // SAFETY: the child makes system calls and spawns, with one thread.
            match unsafe { libc::fork() } {
                0 => {
                    let spawned =
                        process::spawn(|sender: Sender<u32>| drop(sender), sender.clone());
                    let text = spawned.map(drop).map_err(|error| {
                        std::error::Error::source(&error).map(ToString::to_string)
                    });
                    let is_refused =
                        matches!(text, Err(Some(text)) if text.contains("by sender()"));
                    // SAFETY: ends the child at once.
                    unsafe { libc::_exit(i32::from(is_refused)) }
                }
                child => {
                    let mut status = 0;
                    // SAFETY: the status outlives the call.
                    unsafe { libc::waitpid(child, &raw mut status, 0) };
                    libc::WEXITSTATUS(status)
                }
            }
        },
        sender,
    );
    assert_eq!(refused, Ok(1));
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn clones_count_until_the_last_is_dropped() {
    let (sender, receiver) = pair::<Queue<u64>>(4).expect("made");
    let clones = [sender.clone(), sender.clone()];
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let [first, second] = clones;
    drop(first);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let plain: Queue<u64> = (*second).clone();
    drop(second);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    let receivers = [receiver.clone(), receiver];
    let again = plain.sender().expect("counted");
    again.send(1).expect("sent");
    drop(receivers);
    assert_eq!(again.send(1), Err(SendError::Disconnected(1)));
}

#[test]
fn a_pair_with_a_capacity_that_cannot_be_says_so() {
    let none = pair::<Queue<u64>>(0).expect_err("refused");
    assert!(
        matches!(
            none,
            PairError::Entry(EntryError::Capacity { found: 0, .. })
        ),
        "{none}"
    );
    let none = channel::<String>(1 << 40).expect_err("refused");
    assert!(
        matches!(none, PairError::Entry(EntryError::Capacity { .. })),
        "{none}"
    );
    let huge = pair::<Queue<[u64; 512]>>(1 << 32).expect_err("refused");
    assert!(matches!(huge, PairError::Create(_)), "{huge}");
    let segment = Segment::anonymous().expect("made");
    let once = segment.create_pair::<WorkQueue<u64>>("work", 4);
    drop(once.expect("made"));
    let twice = segment
        .create_pair::<WorkQueue<u64>>("work", 4)
        .expect_err("refused");
    assert!(
        matches!(twice, PairError::Entry(EntryError::Exists { .. })),
        "{twice}"
    );
}

#[test]
fn ends_that_were_never_picked_up_are_given_up() {
    let (sender, receiver) = channel::<u32>(4).expect("made");
    let (second, second_end) = channel::<u32>(4).expect("made");
    let error = call(
        |_: (Sender<u32>, Undecodable, Sender<u32>)| (),
        (sender, Undecodable, second),
    );
    assert!(matches!(error, Err(JoinError::Arguments(_))), "{error:?}");
    assert!(matches!(receiver.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(second_end.recv(), Err(RecvError::Disconnected)));
}
