//! The snapshot against a plain variable.

use crossdock::snapshot::{ReaderError, WaitNewerTimeoutError};
use crossdock::{Segment, Snapshot, SnapshotOptions};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Publish(u64),
    PublishInPlace(u64),
    Update(u64),
    ChangeWriter,
    /// By the reader in that place, if there is one.
    Read(usize),
    Wait(usize),
    Load,
    /// Has a reader in that place, or none any more.
    Come(usize),
    Go(usize),
}

const MOST: usize = 5;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reader = 0..MOST;
    let step = prop_oneof![
        3 => any::<u64>().prop_map(Step::Publish),
        1 => any::<u64>().prop_map(Step::PublishInPlace),
        1 => any::<u64>().prop_map(Step::Update),
        1 => Just(Step::ChangeWriter),
        4 => reader.clone().prop_map(Step::Read),
        2 => reader.clone().prop_map(Step::Wait),
        1 => Just(Step::Load),
        3 => reader.clone().prop_map(Step::Come),
        1 => reader.prop_map(Step::Go),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn it_is_a_variable_with_a_version(seats in 1_usize..MOST, steps in steps()) {
        let segment = Segment::anonymous().unwrap();
        let options = SnapshotOptions::new([3_u64; 3]).readers(seats as u64);
        let snapshot = segment.create::<Snapshot<[u64; 3]>>("s", options).unwrap();
        let mut writer = Some(snapshot.writer().unwrap());
        let mut readers: [_; MOST] = [const { None }; MOST];
        let (mut value, mut version) = ([3; 3], 0_u64);
        for step in steps {
            let taken = readers.iter().flatten().count();
            let publish = writer.as_mut().unwrap();
            match step {
                Step::Publish(number) => {
                    (value, version) = ([number; 3], version + 1);
                    prop_assert_eq!(publish.publish(value), Ok(version));
                }
                Step::PublishInPlace(number) => {
                    (value, version) = ([number; 3], version + 1);
                    prop_assert_eq!(publish.publish_with(|place| place.fill(number)), Ok(version));
                }
                Step::Update(number) => {
                    (value[1], version) = (number, version + 1);
                    prop_assert_eq!(publish.update(|place| place[1] = number), Ok(version));
                }
                Step::ChangeWriter => {
                    drop(writer.take());
                    writer = Some(snapshot.writer().unwrap());
                }
                Step::Read(at) => if let Some((reader, seen)) = &mut readers[at] {
                    let reader: &mut crossdock::snapshot::Reader<[u64; 3]> = reader;
                    prop_assert_eq!(reader.has_newer(), *seen != Some(version));
                    let got = reader.read().unwrap();
                    prop_assert_eq!((*got, got.version()), (value, version));
                    *seen = Some(version);
                    prop_assert_eq!(reader.version(), *seen);
                    prop_assert!(!reader.has_newer());
                }
                Step::Wait(at) => if let Some((reader, seen)) = &mut readers[at] {
                    match reader.wait_newer_timeout(std::time::Duration::ZERO) {
                        Ok(got) => {
                            prop_assert!(*seen != Some(version));
                            prop_assert_eq!((*got, got.version()), (value, version));
                            *seen = Some(version);
                        }
                        Err(error) => {
                            prop_assert_eq!(error, WaitNewerTimeoutError::Timeout);
                            prop_assert_eq!(*seen, Some(version));
                        }
                    }
                }
                Step::Load if taken < seats => prop_assert_eq!(snapshot.load().unwrap(), value),
                Step::Load => {
                    let refused = matches!(snapshot.load(), Err(ReaderError::NoFreeSlot { .. }));
                    prop_assert!(refused);
                }
                Step::Come(at) if readers[at].is_some() => {}
                Step::Come(at) => match snapshot.reader() {
                    Ok(reader) => {
                        prop_assert!(taken < seats);
                        readers[at] = Some((reader, None));
                    }
                    Err(error) => {
                        let full = matches!(error, ReaderError::NoFreeSlot { .. });
                        prop_assert!(full && taken == seats);
                    }
                }
                Step::Go(at) => readers[at] = None,
            }
            prop_assert_eq!(snapshot.version(), version);
        }
    }
}
