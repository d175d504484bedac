//! The channel: whatever serde encodes comes back as it was, and what is no value is a dead letter.

use std::collections::BTreeMap;

use crossdock::Segment;
use crossdock::queue::{ByteOptions, Channel, ChannelError, TryRecvError};
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
        assert_eq!(channel.recv().unwrap(), command);
    }
    assert!(channel.is_idle());
}

/// Sends bytes, and returns what is said of them, having looked that they became a dead letter.
#[track_caller]
fn refused<T: Serialize + DeserializeOwned>(channel: &Channel<T>, bytes: &[u8]) -> String {
    let letters = channel.count_dead_letters();
    channel.as_bytes().send(bytes).unwrap();
    let said = match channel.try_recv() {
        Err(ChannelError::Value(error)) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("{bytes:?} were received as a value"),
    };
    assert_eq!(channel.count_dead_letters(), letters + 1);
    let letter = channel.take_dead_letter().unwrap().unwrap();
    assert_eq!(letter.to_vec(), bytes);
    letter.ack().unwrap();
    said
}

#[test]
fn a_message_with_bytes_behind_the_value_is_a_dead_letter_and_not_acknowledged() {
    let (_segment, channel) = channel::<u8>();
    let said = refused(&channel, &[5, 6, 7]);
    assert!(said.contains("found 2 more"), "{said}");
    assert!(matches!(
        channel.try_recv(),
        Err(ChannelError::Queue(TryRecvError::Empty))
    ));
    channel.send(&8).unwrap();
    assert_eq!(channel.recv().unwrap(), 8);
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
}
