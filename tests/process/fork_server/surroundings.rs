//! What a process of a fork server has of its asker.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use crossdock::process::{self, Stdio};

use super::{alone, fork, forked, forking, parent};
use crate::support::{Gate, call, outcome, wait_at};

/// What a process has from its asker.
fn surroundings() -> (Option<String>, PathBuf, bool) {
    let read = std::io::stdin().read(&mut [0]).expect("read");
    (
        std::env::var("CROSSDOCK_TEST_MOOD").ok(),
        std::env::current_dir().expect("there"),
        read == 0,
    )
}

#[test]
fn environment_and_directory_are_the_askers_of_now() {
    let told = alone(|()| {
        let before = forked(|()| surroundings(), ());
        // SAFETY: the other thread is the harness's, which sleeps.
        unsafe { std::env::set_var("CROSSDOCK_TEST_MOOD", "good") };
        std::env::set_current_dir("/proc").expect("there");
        let now = forked(|()| surroundings(), ());
        let builder = forking()
            .env("CROSSDOCK_TEST_MOOD", "bad")
            .current_dir("self");
        let mut own = builder.spawn(|()| surroundings(), ()).expect("started");
        let mut none = forking()
            .env_clear()
            .spawn(|()| std::env::vars_os().count(), ())
            .expect("started");
        (
            before,
            now,
            outcome(&mut own),
            outcome(&mut none),
            std::process::id(),
        )
    });
    let (before, now, own, none, pid) = told;
    assert_eq!(before.map(|(mood, ..)| mood), Ok(None));
    assert_eq!(now, Ok((Some("good".to_owned()), "/proc".into(), true)));
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let own = own.expect("joined");
    assert_eq!((own.0.as_deref(), own.2), (Some("bad"), true));
    // `self` is resolved by the asker.
    assert_eq!(own.1, directory);
    assert_eq!(none, Ok(0));
}

#[test]
fn streams_are_piped_and_nothing_is_printed_twice() {
    fn load() {
        print!("a line that does not end");
    }
    let told = alone(|()| {
        process::init_test("crossdock_worker");
        process::preload(load).expect("in the program");
        print!("of the asker");
        let builder = forking()
            .stdin(Stdio::Piped)
            .stdout(Stdio::Piped)
            .stderr(Stdio::Piped);
        let mut printed = Vec::new();
        for number in 0..3 {
            let mut worker = builder
                .spawn(
                    |number: u32| {
                        let mut line = String::new();
                        std::io::stdin().read_line(&mut line).expect("read");
                        print!("{line} {number}");
                        eprint!("error {number}");
                    },
                    number,
                )
                .expect("started");
            let mut stdin = worker.stdin.take().expect("piped");
            stdin.write_all(b"hello").expect("written");
            drop(stdin);
            let (mut out, mut err) = (String::new(), String::new());
            worker
                .stdout
                .take()
                .expect("piped")
                .read_to_string(&mut out)
                .expect("read");
            worker
                .stderr
                .take()
                .expect("piped")
                .read_to_string(&mut err)
                .expect("read");
            outcome(&mut worker).expect("joined");
            printed.push((out, err));
        }
        printed
    });
    let expected: Vec<_> = (0..3)
        .map(|number| (format!("hello {number}"), format!("error {number}")))
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn a_process_has_its_name_and_so_have_those_that_it_starts() {
    fn shown() -> (String, String) {
        let comm = std::fs::read_to_string("/proc/self/comm").expect("/proc");
        let threads = std::fs::read_dir("/proc/self/task").expect("/proc").count();
        (comm.trim().to_owned(), threads.to_string())
    }
    let named = forking().name("cook");
    assert_eq!(named.spawn(|()| (), ()).expect("started").name(), "cook");
    let told = outcome(&mut named.spawn(|()| shown(), ()).expect("started"));
    assert_eq!(told, Ok(("cook".to_owned(), "1".to_owned())));
    let told = alone(|()| {
        let first = fork(
            |()| {
                let child = fork(|()| shown().0, ());
                (
                    shown().0,
                    child.name().to_owned(),
                    child.join().expect("joined"),
                )
            },
            (),
        );
        (first.name().to_owned(), first.join().expect("joined"))
    });
    let (name, (shown, childs, childs_shown)) = told;
    assert_eq!(name[..15.min(name.len())], shown);
    assert_eq!(childs, format!("{name}:1"));
    assert_eq!(childs[..15.min(childs.len())], childs_shown);
}

#[test]
fn a_process_knows_the_asker_as_its_parent_whoever_that_is_to_the_kernel() {
    let told = alone(|()| {
        let kin = |()| {
            let parent = process::parent().expect("a parent");
            let own = (process::current().depth(), process::current().is_daemon());
            (
                parent.id(),
                parent.name().to_owned(),
                parent.is_alive(),
                own,
            )
        };
        let name = process::current().name().to_owned();
        (forked(kin, ()), (std::process::id(), name))
    });
    let (kin, (id, name)) = told;
    assert_eq!(kin, Ok((id, name, true, (2, false))));
}

/// The open descriptors of this process, beside the one that reads them.
fn open() -> Vec<String> {
    let links = std::fs::read_dir("/proc/self/fd").expect("/proc");
    let mut links: Vec<_> = links
        .filter_map(|link| {
            let link = link.expect("an entry");
            let number: u32 = link.file_name().to_str()?.parse().ok()?;
            let target = std::fs::read_link(link.path()).ok()?;
            let target = target.to_string_lossy().into_owned();
            let kind = target.split([':', '[']).next()?.to_owned();
            (number > 2 && !target.starts_with("/proc")).then_some(kind)
        })
        .collect();
    links.sort();
    links
}

#[test]
fn a_process_has_the_descriptors_of_its_job_and_no_others() {
    let told = alone(|()| {
        let gate = Gate::new();
        let _waits = fork(|gate: PathBuf| wait_at(&gate), gate.path());
        let arrived = gate.arrival();
        let (reader, writer) = std::io::pipe().expect("a pipe");
        // SAFETY: F_SETFD takes an integer; the pipe is this test's.
        unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFD, 0) };
        let open = [(); 3].map(|()| forked(|()| open(), ()).expect("joined"));
        drop((arrived, writer));
        open
    });
    // The result's, and the socket to the asker.
    let expected = ["/memfd", "socket"].map(str::to_owned).to_vec();
    assert_eq!(told, [(); 3].map(|()| expected.clone()));
}

fn disposition(signal: i32) -> usize {
    // SAFETY: plain data, for which all zeroes is a value.
    let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: only asks, and writes what outlives the call.
    unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut now) };
    now.sa_sigaction
}

fn signals() -> (u64, Vec<usize>) {
    let mut mask = 0_u64;
    let none = std::ptr::null::<u64>();
    // SAFETY: a null set changes nothing; there are 8 bytes for the mask in force.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_BLOCK,
            none,
            &raw mut mask,
            8,
        )
    };
    let of_the_library = [libc::SIGSEGV, libc::SIGBUS];
    let all = (1..=31).filter(|signal| !of_the_library.contains(signal));
    (mask, all.map(disposition).collect())
}

#[test]
fn signals_are_as_in_a_spawned_process_whatever_was_done_before_or_since() {
    let told = alone(|()| {
        let handler: extern "C" fn(i32) = nothing;
        extern "C" fn nothing(_: i32) {}
        let set = |signal, disposition| {
            // SAFETY: a handler that does nothing, or a disposition.
            unsafe { libc::signal(signal, disposition) };
        };
        let pair = || {
            let spawned = call(|()| signals(), ()).expect("joined");
            (spawned, forked(|()| signals(), ()).expect("joined"))
        };
        set(libc::SIGHUP, libc::SIG_IGN);
        set(libc::SIGCHLD, libc::SIG_IGN);
        let mask = u64::MAX;
        // SAFETY: 8 bytes of a set that outlives the call.
        unsafe {
            let none = std::ptr::null::<u64>();
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_BLOCK,
                &raw const mask,
                none,
                8,
            )
        };
        let first = pair();
        set(libc::SIGHUP, libc::SIG_DFL);
        set(libc::SIGCHLD, libc::SIG_DFL);
        set(libc::SIGUSR1, handler as usize);
        set(libc::SIGQUIT, libc::SIG_IGN);
        set(libc::SIGINT, libc::SIG_IGN);
        [first, pair()]
    });
    for (spawned, forked) in &told {
        assert_eq!(spawned, forked);
        assert_eq!(spawned.0, 0);
    }
    assert_ne!(told[0], told[1]);
}

#[test]
fn a_lowered_limit_holds_in_the_next_process() {
    let told = alone(|()| {
        let look = |()| {
            let mut limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: 0,
            };
            // SAFETY: `limit` outlives the call.
            unsafe { libc::getrlimit(libc::RLIMIT_CORE, &raw mut limit) };
            (limit.rlim_cur, parent())
        };
        let first = forked(look, ()).expect("joined");
        let limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 4_096,
        };
        // SAFETY: `limit` outlives the call, and this process is the test's.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
        let limit = libc::rlimit {
            rlim_cur: 4_096,
            ..limit
        };
        // SAFETY: as above.
        unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const limit) };
        let second = forked(look, ()).expect("joined");
        (first.1 != second.1, second.0)
    });
    assert_eq!(told, (true, 4_096));
}
