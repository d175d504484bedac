//! The channel: whatever serde encodes comes back as it was, and what is no value is a dead letter.

use std::collections::BTreeMap;

use crossdock::queue::{ByteOptions, ByteQueue, Channel, RecvError, SendError, TryRecvError};
use crossdock::segment::EntryError;
use crossdock::{Counter, Segment};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::support::watch;

/// A channel in a segment of its own.
fn channel<T: Serialize + DeserializeOwned + 'static>() -> (Segment, Channel<T>) {
    let segment = Segment::anonymous().unwrap();
    let options = ByteOptions::new(64);
    let channel = segment.create("channel", options).unwrap();
    (segment, channel)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Command {
    Stop,
    Go(u128, Option<String>),
    Move {
        by: i64,
        marks: BTreeMap<String, Vec<char>>,
    },
    All(Vec<Command>),
}

fn commands() -> Vec<Command> {
    let go = Command::Go(u128::MAX, Some("north".to_owned()));
    let marks = BTreeMap::from([("a".to_owned(), vec!['ä', '\0'])]);
    let all = vec![Command::Stop, go, Command::Move { by: -1, marks }];
    let mut commands = all.clone();
    commands.push(Command::All(all));
    commands
}

#[test]
fn values_come_back_in_order_and_as_they_were() {
    let (_segment, channel) = channel::<Command>();
    commands().iter().for_each(|it| channel.send(it).unwrap());
    for command in commands() {
        assert_eq!(channel.recv().unwrap().into_inner().unwrap(), command);
    }
    assert!(channel.is_idle());
}

/// Sends bytes, and returns what is said of them, having looked that they became a dead letter.
#[track_caller]
fn refused<T: Serialize + DeserializeOwned + 'static>(
    channel: &Channel<T>,
    bytes: &[u8],
) -> String {
    let letters = channel.dead_letters().len();
    channel.as_bytes().send(bytes).unwrap();
    let said = match channel.try_recv() {
        Err(TryRecvError::Invalid { reason }) => reason.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{bytes:?} were received as a value"),
    };
    assert_eq!(channel.dead_letters().len(), letters + 1);
    let letter = channel.dead_letters().take().unwrap().unwrap();
    assert_eq!(letter.to_vec(), bytes);
    letter.ack().unwrap();
    said
}

#[test]
fn a_message_with_bytes_behind_the_value_is_a_dead_letter_and_not_acknowledged() {
    let (_segment, channel) = channel::<u8>();
    let said = refused(&channel, &[5, 6, 7]);
    assert!(said.contains("found 2 more"), "{said}");
    assert!(matches!(channel.try_recv(), Err(TryRecvError::Empty)));
    channel.send(&8).unwrap();
    assert_eq!(*channel.recv().unwrap(), 8);
    let (_segment, channel) = self::channel::<()>();
    let said = refused(&channel, &[5]);
    assert!(said.contains("found 1 more"), "{said}");
}

#[test]
fn a_message_that_states_more_elements_than_it_has_is_refused_at_once() {
    let _watch = watch();
    let (_segment, channel) = channel::<Vec<()>>();
    let many = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let said = refused(&channel, &many);
    assert!(said.contains("the 0 bytes"), "{said}");
}

#[test]
fn a_message_that_nests_without_end_is_refused_and_overflows_no_stack() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Node(Option<Box<Node>>);
    let (_segment, channel) = channel::<Node>();
    let said = refused(&channel, &[1; 16_000]);
    assert!(said.contains("128 levels"), "{said}");
    let deep = (0..100).fold(Node(None), |node, _| Node(Some(Box::new(node))));
    let sent = channel.send(&deep);
    assert!(matches!(sent, Err(SendError::Invalid(..))));
    assert!(channel.is_idle());
}

mod builds {
    //! One type, as different builds of a program have it.

    use super::*;

    pub(super) mod now {
        use super::*;
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub(crate) struct Order {
            pub(crate) id: u64,
            pub(crate) boxes: u32,
        }
    }

    /// What another build could have: a macro of the same name with other fields.
    macro_rules! order {
        ($module:ident $($field:ident: $type:ty),*) => {
            pub(super) mod $module {
                use super::*;
                #[derive(Debug, Serialize, Deserialize)]
                pub(crate) struct Order { $($field: $type),* }
            }
        };
    }
    order! { fewer id: u64 }
    order! { turned boxes: u32, id: u64 }
    order! { more id: u64, boxes: u32, note: Option<String> }
    order! { signed id: i64, boxes: u32 }
    order! { renamed id: u64, crates: u32 }
    order! { same id: u64, boxes: u32 }
}

#[track_caller]
fn is_other<T: Serialize + DeserializeOwned + 'static>(segment: &Segment) {
    let opened = segment.open::<Channel<T>>("channel");
    let Err(EntryError::OtherPayload {
        expected, found, ..
    }) = &opened
    else {
        panic!("{opened:?}");
    };
    assert_ne!(expected.name(), found.name());
    let or_created = segment.open_or_create::<Channel<T>>("channel", 64);
    assert!(matches!(or_created, Err(EntryError::OtherPayload { .. })));
}

#[test]
fn a_channel_of_another_type_is_not_opened() {
    let (segment, channel) = channel::<builds::now::Order>();
    channel
        .send(&builds::now::Order { id: 7, boxes: 3 })
        .unwrap();
    is_other::<builds::fewer::Order>(&segment);
    is_other::<builds::turned::Order>(&segment);
    is_other::<builds::more::Order>(&segment);
    is_other::<builds::signed::Order>(&segment);
    is_other::<builds::renamed::Order>(&segment);
    is_other::<(u64, u32)>(&segment);
    is_other::<u32>(&segment);
    is_other::<()>(&segment);
    let same = segment
        .open::<Channel<builds::same::Order>>("channel")
        .unwrap();
    assert!(format!("{:?}", *same.recv().unwrap()).contains("id: 7"));
    assert_eq!(channel.dead_letters().len(), 0);
}

#[test]
fn an_unsigned_number_is_not_received_as_a_signed_one() {
    let (segment, channel) = channel::<u32>();
    channel.send(&5).unwrap();
    let opened = segment
        .open::<Channel<i64>>("channel")
        .unwrap_err()
        .to_string();
    assert!(
        opened.contains("\"i64#") && opened.contains("\"u32#"),
        "{opened}"
    );
    assert_eq!(*channel.recv().unwrap(), 5);
}

#[test]
fn a_name_stands_for_the_type_of_strings_lists_and_tuples_as_of_others() {
    const ORDERS: ByteOptions = ByteOptions::new(8).payload_name("shop.orders/1");
    const OTHER: ByteOptions = ByteOptions::new(8).payload_name("shop.orders/2");
    let segment = Segment::anonymous().unwrap();
    let texts = segment.create::<Channel<String>>("texts", ORDERS).unwrap();
    let lists = segment.create::<Channel<Vec<u8>>>("lists", ORDERS).unwrap();
    let pairs = segment
        .create::<Channel<(u8, u16)>>("pairs", ORDERS)
        .unwrap();
    texts.send(&"two rolls".to_owned()).unwrap();
    lists.send(&vec![1, 2]).unwrap();
    pairs.send(&(3, 4)).unwrap();

    let same = segment
        .open_as::<Channel<Box<str>>>("texts", ORDERS)
        .unwrap();
    assert_eq!(&**same.recv().unwrap(), "two rolls");
    let same = segment
        .open_or_create::<Channel<Vec<u8>>>("lists", ORDERS)
        .unwrap();
    assert_eq!(*same.recv().unwrap(), [1, 2]);
    let same = segment
        .open_as::<Channel<builds::now::Order>>("pairs", ORDERS)
        .unwrap();
    assert_eq!(
        *same.recv().unwrap(),
        builds::now::Order { id: 3, boxes: 4 }
    );

    for opened in [
        segment.open::<Channel<String>>("texts"),
        segment.open_as("texts", OTHER),
        segment.open_as("texts", 8),
        segment.open_or_create("texts", OTHER),
    ] {
        let said = opened.unwrap_err().to_string();
        assert!(said.contains("found \"shop.orders/1\""), "{said}");
    }
    let unnamed = segment.create::<Channel<String>>("unnamed", 8).unwrap();
    let opened = segment.open_as::<Channel<String>>("unnamed", ORDERS);
    assert!(matches!(opened, Err(EntryError::OtherPayload { .. })));
    drop(unnamed);
    let missing = segment.open_as::<Channel<String>>("missing", ORDERS);
    assert!(matches!(missing, Err(EntryError::NotFound { .. })));
    let other = segment.open_as::<Channel<String>>("texts", ORDERS.cell_size(64));
    assert!(matches!(other, Err(EntryError::OtherConfig { .. })));
}

#[test]
fn a_queue_of_bytes_may_have_a_name() {
    const NAMED: ByteOptions = ByteOptions::new(8).payload_name("frames/1");
    let segment = Segment::anonymous().unwrap();
    segment.create::<ByteQueue>("bytes", NAMED).unwrap();
    assert!(segment.open_as::<ByteQueue>("bytes", NAMED).is_ok());
    let opened = segment.open::<ByteQueue>("bytes");
    assert!(matches!(opened, Err(EntryError::OtherPayload { .. })));
}

#[test]
#[should_panic(expected = "1 to 64 bytes")]
fn a_name_that_would_be_cut_is_refused() {
    let _ = ByteOptions::new(8)
        .payload_name("12345678901234567890123456789012345678901234567890123456789012345");
}

#[test]
fn what_no_message_can_be_decoded_as_is_refused_when_the_channel_is_created() {
    #[derive(Debug, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u32),
        Text(String),
    }
    let segment = Segment::anonymous().unwrap();
    let created = segment.create::<Channel<Vec<Either>>>("either", 8);
    let said = created.unwrap_err().to_string();
    assert!(
        said.contains("\"either\"") && said.contains("untagged"),
        "{said}"
    );
    let created = segment.open_or_create::<Channel<Counter>>("handle", 8);
    let said = created.unwrap_err().to_string();
    assert!(said.contains("process::spawn"), "{said}");
    assert!(segment.entries().unwrap().is_empty());
    // A name is a promise that the type can be decoded; what cannot be is a dead letter.
    let named = ByteOptions::new(8).payload_name("either/1");
    let named = segment.create::<Channel<Either>>("either", named).unwrap();
    named.send(&Either::Number(1)).unwrap();
    assert!(matches!(named.recv(), Err(RecvError::Invalid { .. })));
    assert_eq!(named.dead_letters().len(), 1);
}

#[test]
fn the_directory_says_what_a_channel_carries() {
    let (segment, _channel) = channel::<Vec<builds::now::Order>>();
    let entry = segment.entries().unwrap().pop().unwrap();
    let payload = entry.payload.name();
    assert!(payload.starts_with("[Order]#"), "{payload}");
}

#[test]
fn a_handle_in_a_message_says_how_handles_travel() {
    let segment = Segment::anonymous().unwrap();
    let named = ByteOptions::new(8).payload_name("perhaps/1");
    let channel = segment.create::<Channel<Option<Segment>>>("handles", named);
    let channel = channel.unwrap();
    let words = "handles of shared memory can only be arguments and results of process::spawn: \
                 pass the receiver the segment that way, and send an entry's name";
    let error = channel.send(&Some(segment)).unwrap_err();
    assert_eq!(error.to_string(), words);
    // What another build may have sent.
    channel.as_bytes().send(&[1, 0, 0]).unwrap();
    assert_eq!(channel.recv().unwrap_err().to_string(), words);
    // The next message of the thread is told its own fault.
    channel.as_bytes().send(&[7]).unwrap();
    assert_ne!(channel.recv().unwrap_err().to_string(), words);
}
