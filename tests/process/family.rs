//! What a process knows of itself, of its parent and of its children.

use std::path::PathBuf;

use crossdock::process::{Builder, active_children, available_parallelism, current, parent};

use crate::support::{Gate, call, outcome, spawn_with, start, wait_at};

#[test]
fn a_process_knows_its_name_its_parent_and_its_depth() {
    type Told = (String, u32, usize, bool, String, u32, bool);
    fn tell((): ()) -> Told {
        let (own, parent) = (current(), parent().expect("a parent"));
        (
            own.name().to_owned(),
            own.id(),
            own.depth(),
            own.is_daemon(),
            parent.name().to_owned(),
            parent.id(),
            parent.is_alive(),
        )
    }
    let builder = Builder::new().name("outer").daemon(true);
    let mut outer = spawn_with(
        &builder,
        |()| {
            let mut inner = spawn_with(&Builder::new().name("inner"), tell, ());
            let id = inner.id();
            (tell(()), id, outcome(&mut inner).expect("joined"))
        },
        (),
    );
    let (id, here) = (outer.id(), std::process::id());
    let (told, inner_id, inner) = outcome(&mut outer).expect("joined");
    let main = "MainProcess".to_owned();
    assert_eq!(told, ("outer".to_owned(), id, 1, true, main, here, true));
    let outer = "outer".to_owned();
    assert_eq!(
        inner,
        ("inner".to_owned(), inner_id, 2, false, outer, id, true)
    );
    // The harness was started by no process of this library.
    assert!(parent().is_none());
    assert_eq!((current().name(), current().depth()), ("MainProcess", 0));
    assert!(!current().is_daemon());
}

#[test]
fn the_death_of_the_parent_is_known() {
    let (own, gate) = (Gate::new(), Gate::new());
    let grandparent = start(
        |(own, gate): (PathBuf, PathBuf)| {
            let orphan = start(
                |gate: PathBuf| {
                    let parent = parent().expect("a parent");
                    assert!(parent.is_alive());
                    wait_at(&gate);
                    while parent.is_alive() {
                        std::thread::yield_now();
                    }
                    wait_at(&gate);
                },
                gate,
            );
            std::mem::forget(orphan);
            wait_at(&own);
        },
        (own.path(), gate.path()),
    );
    let arrived = gate.arrival();
    let _waits = own.arrival();
    grandparent.kill().expect("killed");
    grandparent.join().expect_err("killed");
    drop(arrived);
    drop(gate.arrival());
}

#[test]
fn the_running_children_are_listed_and_the_others_reaped() {
    let gate = Gate::new();
    let told = call(
        |gate: PathBuf| {
            assert!(active_children().is_empty());
            let (path, name) = (gate.clone(), Builder::new().name("first"));
            let mut first = spawn_with(&name, |gate: PathBuf| wait_at(&gate), path);
            let ended = start(|()| 5_u8, ());
            // Dropped, and running.
            let name = Builder::new().name("last");
            let last = spawn_with(&name, |gate: PathBuf| wait_at(&gate), gate);
            let ids = [first.id(), last.id()];
            drop(last);
            while active_children().len() > 2 {
                std::thread::yield_now();
            }
            let children = active_children();
            let told: Vec<_> = children
                .iter()
                .map(|child| (child.name().to_owned(), child.is_alive()))
                .collect();
            assert_eq!(
                children.iter().map(|child| child.id()).collect::<Vec<_>>(),
                ids
            );
            // What it has reaped is still known to the handle.
            assert_eq!(ended.exit_code(), Ok(Some(0)));
            assert_eq!(ended.join(), Ok(5));
            for child in &children {
                child.terminate().expect("sent");
            }
            outcome(&mut first).expect_err("terminated");
            while !active_children().is_empty() {
                std::thread::yield_now();
            }
            assert!(children.iter().all(|child| !child.is_alive()));
            children[1].kill().expect("gone already");
            (told, crate::support::has_children())
        },
        gate.path(),
    );
    let names = ["first", "last"].map(|name| (name.to_owned(), true));
    assert_eq!(told.expect("joined"), (names.to_vec(), false));
}

#[test]
fn a_forked_copy_has_no_children_and_no_parent_of_its_own() {
    let status = call(
        |()| {
            let worker = start(|()| std::thread::park(), ());
            // SAFETY: the child allocates, which the allocator allows after a fork, and takes locks
            // that no other thread of this process takes.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let none = active_children().is_empty() && parent().is_none();
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(if none { 7 } else { 1 }) };
            }
            let mut status = 0;
            // SAFETY: waits for the child that was forked above, into a local.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(active_children().len(), 1);
            worker.kill().expect("killed");
            libc::WEXITSTATUS(status)
        },
        (),
    );
    assert_eq!(status, Ok(7));
}

#[test]
fn the_parallelism_follows_the_affinity() {
    let parallel = available_parallelism();
    assert!(parallel >= 1);
    let one = call(
        |()| {
            // SAFETY: all zeroes is the empty set.
            let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
            // SAFETY: takes nothing.
            let here = unsafe { libc::sched_getcpu() };
            // SAFETY: sets a bit of the set; the number of a processor is not negative.
            unsafe { libc::CPU_SET(usize::try_from(here).expect("a number"), &mut set) };
            // SAFETY: the set is as long as is said.
            let done = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
            assert_eq!(done, 0);
            available_parallelism()
        },
        (),
    );
    assert_eq!(one, Ok(1));
}
