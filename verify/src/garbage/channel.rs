//! Any message in a channel of several types: it is a value, which then encodes to a message that
//! decodes to the same, or a dead letter; no panic, no hang, no stack that overflows.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use crossdock::queue::{ByteOptions, Channel, TryRecvError};
use crossdock::{Segment, SegmentOptions};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
enum Value {
    Nothing,
    Number(i128),
    Text(String),
    Pair(Box<(Value, Value)>),
    List(Vec<Value>),
    Map(BTreeMap<char, Option<Value>>),
    Units {
        units: Vec<()>,
        nested: Vec<Vec<((), ())>>,
        set: BTreeMap<(), u8>,
    },
}

#[derive(Debug, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

struct Channels {
    _segment: Segment,
    values: Channel<Value>,
    chains: Channel<Chain>,
    units: Channel<Vec<()>>,
    numbers: Channel<(u8, i16, u32, f64, bool, [u64; 2])>,
}

impl Channels {
    fn new() -> Self {
        let options = SegmentOptions::new().size(1 << 20).participants(4);
        let segment = options.anonymous().expect("a segment");
        let options = ByteOptions::new(64);
        Self {
            values: segment.create("values", options).expect("created"),
            chains: segment.create("chains", options).expect("created"),
            units: segment.create("units", options).expect("created"),
            numbers: segment.create("numbers", options).expect("created"),
            _segment: segment,
        }
    }
}

fn receive<T: Serialize + DeserializeOwned + 'static>(channel: &Channel<T>, bytes: &[u8]) {
    if channel.as_bytes().try_send(bytes).is_err() {
        return;
    }
    match channel.try_recv() {
        Ok(value) => {
            channel.send(&value).expect("what was received can be sent");
            value.ack().expect("it is this process's");
            let again = channel.try_recv().expect("and received again");
            again.ack().expect("it is this process's");
        }
        Err(TryRecvError::Invalid { .. }) => {
            let letter = channel.dead_letters().take().expect("a member");
            let letter = letter.expect("what is no value is a dead letter");
            assert_eq!(letter.to_vec(), bytes);
            letter.ack().expect("it is this process's");
        }
        Err(error) => panic!("{error}"),
    }
    assert!(channel.is_idle());
}

pub(crate) fn run(bytes: &[u8]) {
    thread_local! {
        static CHANNELS: OnceCell<Channels> = const { OnceCell::new() };
    }
    CHANNELS.with(|channels| {
        let channels = channels.get_or_init(Channels::new);
        receive(&channels.values, bytes);
        receive(&channels.chains, bytes);
        receive(&channels.units, bytes);
        receive(&channels.numbers, bytes);
    });
}
