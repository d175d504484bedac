//! Whether a segment is in use, and removing it if it is not.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use crossdock::segment::{OpenError, OpenOrCreateError};
use crossdock::{Counter, Mutex, Segment, SegmentOptions};

use crate::support::careless::close_all_from_3;
use crate::support::names::Unique;
use crate::support::process::{Line, child, exit, holder, in_child};
use crate::support::watch;

fn options() -> SegmentOptions {
    SegmentOptions::new().size(1 << 16).participants(4)
}

/// Runs `body` in a process of its own: what other tests of this one fork has open what this one has.
fn alone(body: impl FnOnce()) {
    let _watch = watch();
    in_child(body);
}

/// A named segment that nobody has open.
fn unused() -> Unique {
    let name = Unique::new();
    let segment = options().create_new(&name).unwrap();
    segment.create::<Mutex<u64>>("m", 0).unwrap();
    name
}

fn open(name: &str) -> Segment {
    options().open(name).unwrap()
}

fn is_in_use(name: &str) -> bool {
    let found = options().is_in_use(name).unwrap();
    assert!(
        !(found && options().remove_unused(name).unwrap()),
        "removed"
    );
    found
}

/// Waits until nobody has it open; the test's watchdog ends it if that never comes.
fn wait_until_unused(name: &str) {
    // Not `is_in_use`, which would remove it if its last user ended between its two looks.
    while options().is_in_use(name).unwrap() {
        std::thread::yield_now();
    }
}

#[test]
fn who_has_it_open_uses_it_though_it_takes_no_part() {
    alone(|| {
        let name = unused();
        assert!(!is_in_use(&name));
        let segment = open(&name);
        assert!(is_in_use(&name));
        assert_eq!(segment.participants(), []);
        in_child(|| assert!(is_in_use(&name)));
        let counter = segment.create::<Counter>("c", 0).unwrap();
        drop(segment);
        assert!(is_in_use(&name), "an entry's handle keeps it");
        drop(counter);
        assert!(!is_in_use(&name));
    });
}

#[test]
fn who_makes_it_uses_it_from_the_beginning() {
    alone(|| {
        let name = Unique::new();
        let segment = options().create_new(&name).unwrap();
        assert!(is_in_use(&name));
        drop(segment);
        assert!(options().remove_unused(&name).unwrap());
        for asked in [options().is_in_use(&name), options().remove_unused(&name)] {
            assert!(matches!(asked, Err(OpenError::NotFound { .. })));
        }
        assert!(matches!(
            options().open(&name),
            Err(OpenError::NotFound { .. })
        ));
    });
}

#[test]
fn who_is_killed_uses_it_no_longer() {
    alone(|| {
        let name = unused();
        let victim = holder(|| open(&name));
        assert!(is_in_use(&name));
        victim.kill();
        wait_until_unused(&name);
    });
}

#[test]
fn who_closes_every_descriptor_still_uses_it() {
    alone(|| {
        let name = unused();
        let line = Line::new();
        let careless = child(|| {
            let _segment = open(&name);
            line.say(1);
            line.say(2);
            close_all_from_3();
            // The parent hears of it by the end of this process only.
            loop {
                std::thread::park();
            }
        });
        line.hear();
        line.hear();
        careless.sleeps();
        assert!(is_in_use(&name));
        careless.kill();
        wait_until_unused(&name);
    });
}

/// It has the memory, and handles that work, without having opened anything.
#[test]
fn a_forked_child_uses_it_until_it_ends() {
    alone(|| {
        let name = unused();
        let (pids, begun, end) = (Line::new(), Line::new(), Line::new());
        let parent = child(|| {
            let counter = open(&name).create::<Counter>("c", 0).unwrap();
            let own = child(|| {
                // SAFETY: asks for no signal at the parent's death; no memory is involved.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0) };
                begun.say(1);
                end.hear();
                counter.add(1);
            });
            begun.hear();
            pids.say(own.pid().into());
            // The child outlives it.
            std::mem::forget(own);
            exit(0);
        });
        assert_ne!(pids.hear(), 0);
        parent.join();
        for _ in 0..100 {
            assert!(is_in_use(&name));
        }
        end.say(1);
        wait_until_unused(&name);
        assert_eq!(open(&name).open::<Counter>("c").unwrap().load(), 1);
    });
}

/// The parent's own handles are gone, and through its own eyes the child is there as well.
#[test]
fn a_forked_child_keeps_its_parent_from_removing_it() {
    alone(|| {
        let name = unused();
        let segment = open(&name);
        let other = holder(|| ());
        drop(segment);
        assert!(is_in_use(&name));
        other.kill();
        wait_until_unused(&name);
    });
}

#[test]
fn who_becomes_another_program_uses_it_no_longer() {
    alone(|| {
        let name = unused();
        let line = Line::new();
        let other = child(|| {
            let _segment = open(&name);
            line.say(1);
            let failed = Command::new("sleep").arg("1000").exec();
            unreachable!("{failed}");
        });
        line.hear();
        wait_until_unused(&name);
        other.kill();
    });
}

#[test]
fn a_descriptor_that_could_map_it_is_a_use() {
    alone(|| {
        let name = unused();
        let segment = open(&name);
        let passed = segment.as_fd().try_clone_to_owned().unwrap();
        drop(segment);
        assert!(is_in_use(&name));
        drop(passed);
        assert!(!is_in_use(&name));
    });
}

#[test]
fn whatever_is_in_the_file_can_be_removed() {
    alone(|| {
        let name = unused();
        let path = format!("/dev/shm/crossdock.{}", &*name);
        std::fs::write(&path, b"").unwrap();
        assert!(matches!(
            options().open(&name),
            Err(OpenError::Empty { .. })
        ));
        assert!(!is_in_use(&name));
        assert!(options().remove_unused(&name).unwrap());
    });
}

#[test]
fn what_is_no_file_or_anothers_is_left_alone() {
    alone(|| {
        let name = unused();
        let path = format!("/dev/shm/crossdock.{}", &*name);
        let other = options().owner(u32::MAX - 1).remove_unused(&name);
        assert!(matches!(other, Err(OpenError::OtherOwner { .. })));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        for asked in [options().is_in_use(&name), options().remove_unused(&name)] {
            assert!(matches!(asked, Err(OpenError::Symlink { .. })));
        }
        assert!(std::fs::symlink_metadata(&path).is_ok());
    });
}

/// Hunts: one that opens the segment a moment before it is removed, and is alone with it then, while
/// the next one makes another of that name.
#[test]
fn who_opened_it_has_what_its_name_says_whoever_removes_unused_ones_meanwhile() {
    alone(|| {
        let name = Unique::new();
        let end = Instant::now() + Duration::from_secs(1);
        let cleaner = child(|| {
            let mut removed = 0_u32;
            while Instant::now() < end || removed == 0 {
                match options().remove_unused(&name) {
                    Ok(did) => removed += u32::from(did),
                    Err(OpenError::NotFound { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        });
        let users = [(); 2].map(|()| {
            child(|| {
                let mut opened = 0_u32;
                while Instant::now() < end || opened == 0 {
                    let segment = match options().open_or_create(&name) {
                        Ok(segment) => segment,
                        Err(OpenOrCreateError::Open(OpenError::BeingRemoved { .. })) => continue,
                        Err(other) => panic!("{other}"),
                    };
                    opened += 1;
                    let own = std::fs::File::from(segment.as_fd().try_clone_to_owned().unwrap());
                    let named = std::fs::metadata(format!("/dev/shm/crossdock.{}", &*name));
                    let named = named.expect("it was removed in spite of its user").ino();
                    assert_eq!(own.metadata().unwrap().ino(), named);
                }
            })
        });
        // The cleaner needs something to remove, so the users end after it.
        users.into_iter().for_each(|user| user.join());
        let _left = options().open_or_create(&name).map(drop);
        cleaner.join();
    });
}
