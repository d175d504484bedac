//! The bytes of the registry.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use crossdock::Counter;

use crate::support::image::{u32_at, u64_at};
use crate::{REGISTRY, bytes, segment};

#[test]
fn a_participants_entry_has_its_fields_where_they_are_said_to_be() {
    let segment = segment();
    segment.create::<Counter>("c", 0).unwrap();
    let me = segment.participants()[0];
    let own = &bytes(&segment)[REGISTRY..REGISTRY + 64];
    assert_eq!(u32_at(own, 0), 1 << 2 | 1, "generation 1, live");
    assert_eq!(u32_at(own, 4), std::process::id(), "pid");
    assert_eq!(u64_at(own, 8), me.start_time);
    assert_eq!(u64_at(own, 16), me.pid_namespace);
    assert_eq!(u64_at(own, 24), 0, "not paced");
    assert_eq!(u64_at(own, 32), me.time_namespace);
    assert!(own[40..].iter().all(|byte| *byte == 0));
}

/// A generation of the second half is paced, and so says when it was joined.
#[test]
fn an_entry_whose_generations_are_paced_says_when_it_was_joined() {
    let segment = segment();
    let quick: u32 = 262_143;
    let file = File::from(segment.as_fd().try_clone_to_owned().unwrap());
    let free = (quick << 2).to_le_bytes();
    file.write_all_at(&free, REGISTRY as u64).unwrap();
    segment.create::<Counter>("c", 0).unwrap();
    assert_eq!(segment.participants()[0].generation, quick + 1);
    let own = &bytes(&segment)[REGISTRY..REGISTRY + 64];
    assert_eq!(u32_at(own, 0), (quick + 1) << 2 | 1);
    assert_ne!(u64_at(own, 24), 0);
    assert!(own[40..].iter().all(|byte| *byte == 0));
}
