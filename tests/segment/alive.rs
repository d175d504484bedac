//! What keeps a participant alive in the eyes of the others, and what does not: a mapping that it has
//! and no child inherits, and not its descriptors.

use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crossdock::{Mutex, Segment, SegmentOptions};

use crate::support::careless::close_all_from_3;
use crate::support::names::Unique;
use crate::support::process::{Child, Line, child, exit, holder, in_child};
use crate::support::watch;

/// A segment of each sort that there is: on a memory file, and on the tmpfs of /dev/shm.
fn both_sorts(body: impl Fn(&Segment, &Mutex<u64>)) {
    let name = Unique::new();
    let options = SegmentOptions::new().size(1 << 16).participants(4);
    let segments = [
        options.anonymous().unwrap(),
        options.create_new(&name).unwrap(),
    ];
    for segment in segments {
        let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
        body(&segment, &mutex);
    }
}

/// Whether the only participant besides the caller lives; none if it has left or was reaped.
fn the_other_lives(segment: &Segment) -> Option<bool> {
    let all = segment.participants();
    let mut others = all.iter().filter(|one| !one.is_self);
    let other = others.next().map(|one| one.alive);
    assert_eq!(others.count(), 0, "{all:?}");
    other
}

/// Waits until the kernel says that the other is dead; the test's watchdog ends it if it never does.
fn wait_until_it_is_dead(segment: &Segment) {
    while the_other_lives(segment) == Some(true) {
        std::thread::yield_now();
    }
    assert_eq!(segment.reap().freed, 1);
}

/// A child that has joined, and does `body` then.
fn participant(mutex: &Mutex<u64>, body: impl FnOnce()) -> Child {
    let line = Line::new();
    let child = child(|| {
        drop(mutex.lock().unwrap());
        line.say(1);
        body();
        Line::new().sleep_until_killed();
    });
    line.hear();
    child
}

/// clone(2) without a function: as fork, but no handlers run.
fn bare_clone() -> libc::c_long {
    // SAFETY: no flags but the signal, so parent and child have memory of their own.
    unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) }
}

#[test]
fn who_is_killed_is_dead() {
    let _watch = watch();
    both_sorts(|segment, mutex| {
        let victim = participant(mutex, || ());
        assert_eq!(the_other_lives(segment), Some(true));
        victim.kill();
        wait_until_it_is_dead(segment);
    });
}

#[test]
fn who_closes_every_descriptor_lives_and_keeps_its_lock() {
    let _watch = watch();
    both_sorts(|segment, mutex| {
        let careless = holder(|| {
            let held = mutex.lock().unwrap();
            // The lines to the parent stay open: only what a segment has is closed.
            close_those_of_segments();
            held
        });
        assert_eq!(the_other_lives(segment), Some(true));
        assert_eq!(segment.reap().freed, 0);
        assert!(mutex.try_lock().is_err());
        careless.release();
        wait_until_it_is_dead(segment);
        assert!(mutex.try_lock().is_ok(), "it had unlocked");
    });
    both_sorts(|segment, mutex| {
        let careless = participant(mutex, close_all_from_3);
        careless.kill_to_zombie();
        wait_until_it_is_dead(segment);
    });
}

fn close_those_of_segments() {
    for entry in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let is_segment = std::fs::read_link(entry.path())
            .is_ok_and(|to| to.to_string_lossy().contains("crossdock"));
        if is_segment {
            let number = entry.file_name().to_str().unwrap().parse().unwrap();
            // SAFETY: what a careless library does to a descriptor that is not its own.
            assert_eq!(unsafe { libc::close(number) }, 0);
        }
    }
}

/// Starts a victim that has joined and calls `begin`, which begins a process and returns its number;
/// then kills the victim.
fn killed_with(mutex: &Mutex<u64>, begin: impl FnOnce(&Line) -> u32) -> Orphan {
    let line = Line::new();
    let victim = participant(mutex, || {
        let pid = begin(&line);
        line.say(pid.into());
    });
    let orphan = Orphan(i32::try_from(line.hear()).unwrap());
    assert!(orphan.lives());
    victim.kill();
    orphan
}

/// A process that is no child of the test, killed when this is dropped.
struct Orphan(i32);

impl Orphan {
    fn lives(&self) -> bool {
        // SAFETY: asks whether the number is taken; the process sleeps until it is killed here.
        (unsafe { libc::kill(self.0, 0) }) == 0
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::kill(self.0, libc::SIGKILL) };
    }
}

/// Sleeps until it is killed; nothing here takes a lock.
fn pause() -> ! {
    loop {
        // SAFETY: waits for a signal; no memory is involved.
        unsafe { libc::pause() };
    }
}

#[test]
fn a_bare_clone_of_the_dead_one_does_not_keep_it_alive() {
    let _watch = watch();
    both_sorts(|segment, mutex| {
        let clone = killed_with(mutex, |_| match bare_clone() {
            0 => pause(),
            pid => u32::try_from(pid).expect("clone"),
        });
        wait_until_it_is_dead(segment);
        assert!(clone.lives());
    });
}

#[test]
fn a_program_that_the_dead_one_started_does_not_keep_it_alive() {
    let _watch = watch();
    both_sorts(|segment, mutex| {
        let program = killed_with(mutex, |_| {
            let mut sleep = Command::new("sleep");
            sleep.arg("1000").spawn().unwrap().id()
        });
        wait_until_it_is_dead(segment);
        assert!(program.lives());
    });
}

/// As after vfork(2): it is in the dead one's memory, and could write to the segment.
#[test]
fn a_child_in_the_memory_of_the_dead_one_keeps_it_alive_until_it_ends() {
    extern "C" fn speaks_and_sleeps(line: *mut libc::c_void) -> libc::c_int {
        // SAFETY: the line of the one that called clone, in whose memory this runs.
        let line = unsafe { &*line.cast::<Line>() };
        line.say(std::process::id().into());
        pause()
    }
    let _watch = watch();
    both_sorts(|segment, mutex| {
        let child = killed_with(mutex, |line| {
            let mut stack = vec![0_u128; 1 << 14];
            let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
            let line = std::ptr::from_ref(line).cast_mut().cast();
            let top = stack.as_mut_ptr_range().end.cast();
            // SAFETY: the stack is the child's alone, and stays as long as this waits for it.
            unsafe { libc::clone(speaks_and_sleeps, top, flags, line) };
            unreachable!("the child never ends by itself");
        });
        for _ in 0..100 {
            assert_eq!(the_other_lives(segment), Some(true));
        }
        drop(child);
        wait_until_it_is_dead(segment);
    });
}

#[test]
fn who_becomes_another_program_takes_part_no_longer() {
    let _watch = watch();
    both_sorts(|segment, mutex| {
        let line = Line::new();
        let other = child(|| {
            drop(mutex.lock().unwrap());
            line.say(1);
            let failed = Command::new("sleep").arg("1000").exec();
            unreachable!("{failed}");
        });
        line.hear();
        wait_until_it_is_dead(segment);
        other.kill();
    });
}

#[test]
fn who_has_much_memory_is_dead_when_it_is_killed() {
    let _watch = watch();
    both_sorts(|segment, mutex| {
        let line = Line::new();
        let victim = participant(mutex, || {
            let fat = vec![1_u8; 128 << 20];
            line.say(std::hint::black_box(&fat).len() as u64);
            Line::new().sleep_until_killed();
        });
        line.hear();
        victim.kill();
        wait_until_it_is_dead(segment);
    });
}

#[test]
fn who_is_looked_at_through_proc_is_dead_when_it_is_killed() {
    let _watch = watch();
    both_sorts(|segment, mutex| {
        let victim = participant(mutex, || ());
        let ended = AtomicBool::new(false);
        let pid = victim.pid();
        std::thread::scope(|scope| {
            let look = |what: &str| {
                let path = format!("/proc/{pid}/{what}");
                let ended = &ended;
                move || {
                    let mut looks = 0_u32;
                    while !ended.load(Ordering::Relaxed) {
                        // Gone, once the process is.
                        looks += u32::from(std::fs::read(&path).is_ok());
                    }
                    looks
                }
            };
            let lookers = ["maps", "smaps"].map(|what| scope.spawn(look(what)));
            victim.kill_to_zombie();
            wait_until_it_is_dead(segment);
            ended.store(true, Ordering::Relaxed);
            for looker in lookers {
                looker.join().unwrap();
            }
        });
    });
}

#[test]
fn who_joins_has_one_mapping_more_and_no_descriptor_more_and_no_child_has_it() {
    let _watch = watch();
    let (segment, line) = (Segment::anonymous().unwrap(), Line::new());
    let inode = std::fs::File::from(segment.as_fd().try_clone_to_owned().unwrap());
    let inode = inode.metadata().unwrap().ino().to_string();
    let pages = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let its = maps.lines().filter(|line| line.contains(&inode));
        its.map(|line| line.contains("---s")).collect::<Vec<_>>()
    };
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    in_child(|| {
        assert_eq!(pages(), [false]);
        let before = descriptors();
        drop(
            segment
                .create::<Mutex<u64>>("m", 0)
                .unwrap()
                .lock()
                .unwrap(),
        );
        let mut joined = pages();
        joined.sort_unstable();
        assert_eq!((joined, descriptors()), (vec![false, true], before));
        in_child(|| assert_eq!((pages(), segment.participants().len()), (vec![false], 1)));
        if bare_clone() == 0 {
            line.say(u64::from(pages() == [false]));
            exit(0);
        }
        assert_eq!(line.hear(), 1);
    });
}
