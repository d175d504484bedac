//! Starts and connections without descriptors, and without /proc: errors that name the cure, and
//! nothing is left.

use std::error::Error;
use std::ffi::CString;
use std::fs::File;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crossdock::process::{
    self, AcceptError, Builder, Conn, ConnectError, Listener, Process, StartMethod,
};

use crossdock::{Counter, Segment};

use crate::support::{call, has_children, outcome, start};

/// How many descriptors these tests may have.
const LIMIT: u64 = 48;

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc").count()
}

fn limit_files(files: u64) {
    let limit = libc::rlimit {
        rlim_cur: files,
        rlim_max: 1 << 10,
    };
    // SAFETY: `limit` outlives the call, and this process is the test's.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
    assert_eq!(set, 0);
}

/// All free descriptors but `spare`.
fn hoard(spare: usize) -> Vec<File> {
    let mut hoard: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    hoard.truncate(hoard.len().saturating_sub(spare));
    hoard
}

fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// Attempts something with no descriptor to spare, with one, and so on until it succeeds; returns
/// the errors.
fn refusals<T, E: Error + 'static>(
    attempt: impl FnMut() -> Result<T, E>,
    undo: impl FnMut(T),
) -> Vec<String> {
    refusals_but(0, attempt, undo)
}

/// The same; a refused attempt may give up so many descriptors that were there before.
fn refusals_but<T, E: Error + 'static>(
    given_up: usize,
    mut attempt: impl FnMut() -> Result<T, E>,
    mut undo: impl FnMut(T),
) -> Vec<String> {
    limit_files(LIMIT);
    let before = open_files();
    let mut refused = Vec::new();
    for spare in 0.. {
        let hoard = hoard(spare);
        let made = attempt();
        drop(hoard);
        match made {
            Ok(made) => {
                undo(made);
                break;
            }
            Err(error) => refused.push(text(&error)),
        }
        let now = open_files();
        let all = now <= before && now + given_up >= before;
        assert!(all, "{now} of {before} after {refused:?}");
    }
    assert!(open_files() <= before && open_files() + given_up >= before);
    refused.dedup();
    refused
}

fn ends(mut process: Process<u32>) {
    assert_eq!(process.wait().expect("ended").code(), Some(0));
    assert_eq!(process.join(), Ok(7));
}

fn all_name_the_limit(refused: &[String]) {
    assert!(refused.len() > 1, "{refused:?}");
    for text in refused {
        assert!(text.contains("RLIMIT_NOFILE"), "{text}");
    }
}

#[test]
fn a_spawn_with_an_end_is_refused_and_the_end_is_this_processs() {
    let refused = call(
        |()| {
            let refused = refusals(
                || {
                    let (sender, receiver) =
                        process::pipe::<u32>().map_err(crossdock::Error::from)?;
                    let daemon = Builder::new().daemon(true);
                    let process = daemon.spawn(
                        |mut sender: process::PipeSender<u32>| {
                            sender.send(&7).expect("sent");
                            7
                        },
                        sender,
                    );
                    process
                        .map(|process| (process, receiver))
                        .map_err(crossdock::Error::from)
                },
                |(process, mut receiver)| {
                    assert_eq!(receiver.recv(), Ok(7));
                    receiver.recv().expect_err("the end");
                    ends(process);
                },
            );
            assert!(!has_children());
            refused
        },
        (),
    );
    all_name_the_limit(&refused.expect("joined"));
}

#[test]
fn a_start_by_a_fork_server_is_refused_by_the_asker_the_server_or_the_process() {
    let segment = Segment::anonymous().expect("made");
    let begun = segment.create::<Counter>("begun", 0).expect("created");
    let refused = call(
        |begun: Counter| {
            limit_files(LIMIT);
            let builder = Builder::new().start(StartMethod::ForkServer);
            let counts = |begun: Counter| {
                begun.add(1);
                7
            };
            let start = || builder.spawn(counts, begun.clone());
            ends(start().expect("started"));
            // The server runs already, and a process that waits for its request.
            let mut refused = refusals_but(1, start, ends);
            // A server with as few descriptors as its owner, since it has the owner's limit.
            for files in 4.. {
                limit_files(files);
                let started = start();
                limit_files(LIMIT);
                match started {
                    Ok(process) => {
                        ends(process);
                        break;
                    }
                    Err(error) => refused.push(text(&error)),
                }
            }
            ends(start().expect("started"));
            assert!(!has_children());
            refused
        },
        begun.clone(),
    );
    all_name_the_limit(&refused.expect("joined"));
    // No process runs whose start was refused.
    assert_eq!(begun.load(), 4);
}

#[test]
fn connections_and_listeners_are_refused() {
    let refused = call(
        |name: String| {
            let mut refused = refusals(process::duplex::<u8, u8>, drop);
            refused.extend(refusals(|| Listener::<u8, u8>::bind(&name), drop));
            refused
        },
        unique(),
    );
    all_name_the_limit(&refused.expect("joined"));
}

fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("shortage-{}-{count}", std::process::id())
}

#[test]
fn a_client_without_descriptors_is_refused_and_the_listener_goes_on() {
    let name = unique();
    let listener = Listener::<u8, u8>::bind(&name).expect("a name");
    let connects = |name: String| refusals(|| Conn::<u8, u8>::connect(&name), drop);
    let mut client = start(connects, name);
    while client.exit_status().expect("a status").is_none() {
        match listener.accept_timeout(Duration::from_millis(20)) {
            Ok(_) | Err(AcceptError::Timeout) => {}
            Err(other) => panic!("{other}"),
        }
    }
    all_name_the_limit(&outcome(&mut client).expect("joined"));
}

#[test]
fn a_listener_without_descriptors_refuses_its_clients_at_once() {
    let name = unique();
    let accepts = |name: String| {
        let listener = Listener::<u8, u8>::bind(&name).expect("a name");
        refusals(|| listener.accept(), drop)
    };
    let mut server = start(accepts, name.clone());
    let mut told = Vec::new();
    while server.exit_status().expect("a status").is_none() {
        match Conn::<u8, u8>::connect_timeout(&name, Duration::from_secs(20)) {
            Ok(_) | Err(ConnectError::NotListening { .. }) => {}
            Err(error) => told.push(text(&error)),
        }
    }
    all_name_the_limit(&outcome(&mut server).expect("joined"));
    assert!(!told.is_empty());
    for text in told {
        assert!(text.contains("RLIMIT_NOFILE"), "{text}");
    }
}

/// Enters a directory with nothing in it as the root; false if it may not.
fn into_nothing() -> bool {
    let folder = std::env::temp_dir().join(format!("crossdock-nothing-{}", std::process::id()));
    std::fs::create_dir(&folder).expect("made");
    let path = CString::new(folder.as_os_str().as_encoded_bytes()).expect("no NUL");
    // SAFETY: the path outlives the call.
    let inside = unsafe { libc::chdir(path.as_ptr()) } == 0;
    std::fs::remove_dir(&folder).expect("empty");
    // SAFETY: the path outlives the call, which changes this process's root only.
    inside && unsafe { libc::chroot(c".".as_ptr()) } == 0
}

#[test]
fn without_proc_starts_are_refused_and_connections_work_or_say_so() {
    let told = call(
        |()| {
            if !into_nothing() {
                return None;
            }
            let start = |method| {
                let started = Builder::new().start(method).spawn(|()| 7_u32, ());
                started.map(drop).map_err(|error| text(&error))
            };
            let spawned = start(StartMethod::Spawn);
            let forked = start(StartMethod::ForkServer);
            let conn = process::duplex::<u8, u8>().map(drop);
            Some((spawned, forked, conn.map_err(|error| text(&error))))
        },
        (),
    );
    let Some((spawned, forked, conn)) = told.expect("joined") else {
        return;
    };
    for refused in [spawned, forked, conn] {
        let text = refused.expect_err("refused");
        assert!(text.contains("/proc"), "{text}");
    }
}
