//! Who takes part, who is dead, and who is helped out of the registry.

use std::collections::HashSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use crossdock::segment::{ParticipantInfo, Reaping};
use crossdock::sync::LockError;
use crossdock::{Counter, Mutex, Segment, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::{Line, child, holder, in_child};
use crate::support::watch;

fn segment(participants: u32) -> (Segment, Mutex<u64>) {
    let options = SegmentOptions::new()
        .size(1 << 16)
        .participants(participants);
    let segment = options.anonymous().unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 0).unwrap();
    (segment, mutex)
}

fn me(segment: &Segment) -> ParticipantInfo {
    let mut all = segment.participants().into_iter();
    all.find(|participant| participant.is_self).unwrap()
}

fn counts(reaping: Reaping) -> (u32, u32) {
    (reaping.freed, reaping.stuck)
}

#[test]
fn looking_does_not_join() {
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    assert_eq!(segment.participants(), []);
    assert_eq!(segment.entries().unwrap(), []);
    assert_eq!(counts(segment.reap()), (0, 0));
    assert!(segment.open::<Counter>("c").is_err());
    assert_eq!(segment.participants(), []);
    segment.create::<Counter>("c", 1).unwrap();
    assert_eq!(segment.participants().len(), 1);
}

#[test]
fn a_participant_says_who_it_is() {
    let (segment, _mutex) = segment(4);
    let me = me(&segment);
    let pid = std::process::id();
    assert_eq!((me.pid, me.alive, me.generation), (pid, true, 1));
    let namespace = fs::metadata("/proc/self/ns/pid").unwrap().ino();
    assert_eq!(me.pid_namespace, namespace);
    let namespace = fs::metadata("/proc/self/ns/time").map_or(0, |meta| meta.ino());
    assert_eq!(me.time_namespace, namespace);
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let start = fields.split_whitespace().nth(19).unwrap();
    assert_eq!(me.start_time.to_string(), start);
    assert_eq!(
        me.to_string(),
        format!("participant {}.1: pid {pid}, alive", me.index)
    );
}

#[test]
fn whoever_joins_again_gets_another_index() {
    let name = Unique::new();
    let options = SegmentOptions::new().size(1 << 16).participants(8);
    let kept = options.create_new(&name).unwrap();
    kept.create::<Mutex<u64>>("m", 0).unwrap();
    let mut seen = vec![me(&kept).index];
    for _ in 0..6 {
        let line = Line::new();
        in_child(|| {
            let segment = SegmentOptions::new().open(&name).unwrap();
            drop(segment.open::<Mutex<u64>>("m").unwrap().lock().unwrap());
            line.say(me(&segment).index.into());
        });
        seen.push(u32::try_from(line.hear()).unwrap());
    }
    let different: HashSet<u32> = seen.iter().copied().collect();
    assert_eq!(different.len(), seen.len(), "{seen:?}");
}

#[test]
fn an_index_that_comes_round_again_has_a_greater_generation() {
    let (segment, mutex) = segment(2);
    let own = me(&segment);
    for generation in 1..5 {
        let (line, end) = (Line::new(), Line::new());
        let visitor = child(|| {
            drop(mutex.lock().unwrap());
            line.say(me(&segment).generation.into());
            end.sleep_until_killed();
        });
        let told = line.hear();
        visitor.kill();
        assert_eq!(told, generation);
        assert_eq!(counts(segment.reap()), (1, 0));
    }
    assert_eq!(me(&segment), own);
}

#[test]
fn a_full_registry_with_a_dead_one_in_it_can_be_joined() {
    let _watch = watch();
    let (segment, mutex) = segment(2);
    for _ in 0..5 {
        holder(|| drop(mutex.lock().unwrap())).kill();
        let dead = segment.participants().iter().filter(|p| !p.alive).count();
        assert_eq!(dead, 1);
        in_child(|| {
            drop(mutex.lock().unwrap());
            assert!(segment.participants().iter().all(|p| p.alive));
        });
        segment.reap();
    }
}

#[test]
fn a_killed_participant_is_shown_dead_until_it_is_reaped() {
    let (segment, mutex) = segment(4);
    let holder = holder(|| mutex.lock().unwrap());
    let pid = holder.child.pid();
    let find = || segment.participants().into_iter().find(|p| p.pid == pid);
    let alive = find().unwrap();
    assert!(alive.alive && !alive.is_self);
    holder.kill();
    let dead = find().unwrap();
    assert!(!dead.alive);
    assert!(dead.to_string().ends_with(&format!("pid {pid}, dead")));
    assert_eq!(counts(segment.reap()), (1, 0));
    assert_eq!(find(), None);
    assert_eq!(counts(segment.reap()), (0, 0));
}

#[test]
fn a_zombie_that_nobody_has_waited_for_is_dead() {
    let (segment, mutex) = segment(4);
    let holder = holder(|| mutex.lock().unwrap());
    holder.child.kill_to_zombie();
    let pid = holder.child.pid();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(stat.contains(") Z "), "{stat}");
    let shown = segment.participants();
    assert!(shown.iter().any(|p| p.pid == pid && !p.alive), "{shown:?}");
    assert_eq!(counts(segment.reap()), (1, 0));
}

#[test]
fn a_stopped_process_is_alive_and_is_not_reaped() {
    let (segment, mutex) = segment(4);
    let holder = holder(|| mutex.lock().unwrap());
    holder.child.stop();
    assert!(segment.participants().iter().all(|p| p.alive));
    assert_eq!(counts(segment.reap()), (0, 0));
    assert!(mutex.is_locked());
    holder.child.cont();
    holder.release();
}

#[test]
fn reaping_counts_each_of_the_dead_once() {
    let (segment, mutex) = segment(8);
    let visitors: Vec<_> = (0..5)
        .map(|_| holder(|| drop(mutex.lock().unwrap())))
        .collect();
    assert_eq!(segment.participants().len(), 6);
    for visitor in visitors.into_iter().take(3) {
        visitor.kill();
    }
    let freed = counts(segment.reap());
    // The other two were killed when the iterator was dropped.
    assert_eq!(freed, (5, 0));
    assert_eq!(segment.participants().len(), 1);
}

#[test]
fn who_leaves_in_peace_disappears() {
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    segment.create::<Mutex<u64>>("m", 0).unwrap();
    let (line, end) = (Line::new(), Line::new());
    let path = name.to_string();
    drop(segment);
    let visitor = child(|| {
        let segment = SegmentOptions::new().open(&path).unwrap();
        drop(segment.open::<Mutex<u64>>("m").unwrap().lock().unwrap());
        line.say(1);
        end.hear();
        drop(segment);
        line.say(1);
        end.hear();
    });
    let segment = SegmentOptions::new().open(&name).unwrap();
    line.hear();
    assert_eq!(segment.participants().len(), 1);
    end.say(1);
    line.hear();
    assert_eq!(segment.participants(), []);
    end.say(1);
    visitor.join();
}

#[test]
fn dropping_the_last_handle_leaves() {
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let total = segment.create::<Mutex<u64>>("m", 0).unwrap();
    drop((segment, total));
    in_child(|| {
        let segment = SegmentOptions::new().open(&name).unwrap();
        assert_eq!(segment.participants(), []);
        assert_eq!(counts(segment.reap()), (0, 0));
    });
}

#[test]
fn two_opens_of_one_name_are_one_participant() {
    let name = Unique::new();
    let first = SegmentOptions::new().create_new(&name).unwrap();
    let second = SegmentOptions::new().open(&name).unwrap();
    let one = first.create::<Mutex<u64>>("m", 0).unwrap();
    let two = second.open::<Mutex<u64>>("m").unwrap();
    let guard = one.lock().unwrap();
    assert!(two.try_lock().is_err());
    drop(guard);
    drop(two.lock().unwrap());
    assert_eq!(first.participants().len(), 1);
    drop((first, one));
    assert_eq!(second.participants().len(), 1);
}

#[test]
fn a_duplicate_of_the_descriptor_is_one_participant() {
    let (first, _mutex) = segment(4);
    let second = Segment::try_from(first.as_fd().try_clone_to_owned().unwrap()).unwrap();
    drop(second.open::<Mutex<u64>>("m").unwrap().lock().unwrap());
    assert_eq!(first.participants().len(), 1);
    assert_eq!(first.participants(), second.participants());
}

#[test]
fn many_join_at_once_and_get_different_indices() {
    let _watch = watch();
    let (segment, mutex) = segment(8);
    let (ready, done) = (Line::new(), Line::new());
    let children: Vec<_> = (0..7)
        .map(|_| {
            child(|| {
                drop(mutex.lock().unwrap());
                ready.say(me(&segment).index.into());
                done.hear();
            })
        })
        .collect();
    let mut seen: HashSet<u64> = children.iter().map(|_| ready.hear()).collect();
    seen.insert(me(&segment).index.into());
    assert_eq!(seen.len(), 8);
    children.iter().for_each(|_| done.say(1));
    children.into_iter().for_each(|child| child.join());
}

#[test]
fn many_who_reap_at_once_do_no_harm() {
    let _watch = watch();
    let (segment, mutex) = segment(16);
    for _ in 0..10 {
        holder(|| mutex.lock().unwrap()).kill();
        let reapers: Vec<_> = (0..3).map(|_| child(|| _ = segment.reap())).collect();
        let _ = segment.reap();
        reapers.into_iter().for_each(|child| child.join());
        let mut guard = match mutex.try_lock() {
            Err(crossdock::sync::TryLockError::Lock(LockError::OwnerDied(guard))) => guard,
            other => panic!("{other:?}"),
        };
        guard.mark_consistent();
        drop(guard);
        assert_eq!(segment.participants().len(), 1);
    }
}

#[test]
fn a_hundred_lives_end_where_they_began() {
    let _watch = watch();
    let (segment, mutex) = segment(3);
    for _ in 0..100 {
        in_child(|| *mutex.lock_or_repair(|_| ()).unwrap() += 1);
    }
    assert_eq!(*mutex.lock().unwrap(), 100);
    segment.reap();
    assert_eq!(segment.participants().len(), 1);
}

/// Hunts: one thread that finds no mapping in the process and makes another, while the last handle of the
/// one before is dropped and has not left yet: two participants of one process.
#[test]
fn threads_that_open_and_drop_a_segment_of_one_place_are_one_participant() {
    let _watch = watch();
    let name = Unique::new();
    let options = SegmentOptions::new().size(1 << 16).participants(1);
    let made = options.create_new(&name).unwrap();
    drop(made.create::<Mutex<u64>>("m", 0).unwrap());
    drop(made);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let segment = SegmentOptions::new().open(&name).unwrap();
                    *segment.open::<Mutex<u64>>("m").unwrap().lock().unwrap() += 1;
                }
            });
        }
    });
    let segment = SegmentOptions::new().open(&name).unwrap();
    assert_eq!(
        *segment.open::<Mutex<u64>>("m").unwrap().lock().unwrap(),
        24_000
    );
}

#[test]
fn who_finds_only_a_place_that_rests_waits_for_it() {
    let _watch = watch();
    let name = Unique::new();
    let options = SegmentOptions::new().size(1 << 16).participants(1);
    let made = options.create_new(&name).unwrap();
    let free = (300_000_u32 << 2).to_le_bytes();
    let file = fs::File::from(made.as_fd().try_clone_to_owned().unwrap());
    std::os::unix::fs::FileExt::write_all_at(&file, &free, 512).unwrap();
    drop((file, made));
    let join = || {
        let segment = SegmentOptions::new().open(&name).unwrap();
        segment.open_or_create::<Mutex<u64>>("m", 0).unwrap();
        drop(segment.open::<Mutex<u64>>("m").unwrap().lock().unwrap());
        me(&segment).generation
    };
    let begun = std::time::Instant::now();
    assert_eq!([(); 3].map(|()| join()), [300_001, 300_002, 300_003]);
    // The first of them rested for nothing; the clock of the others may be a tick behind.
    assert!(begun.elapsed() >= std::time::Duration::from_millis(640));
}
