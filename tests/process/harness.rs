//! Runs of this test binary that the tests start, each of one test. Those that are only for that do
//! nothing in an ordinary run.

use std::env;
use std::process::{Command, Output, exit};

use crossdock::process::{self, SpawnError};
use crossdock::{Mutex, Segment, SegmentOptions};

/// Set for the runs, and inherited by what they start.
const ALONE: &str = "CROSSDOCK_TEST_ALONE";

fn is_alone() -> bool {
    env::var_os(ALONE).is_some()
}

/// Whether this process was spawned and has not called init.
fn has_a_job() -> bool {
    env::var_os("CROSSDOCK_SPAWN").is_some()
}

fn run(test: &str, variables: &[(&str, &str)]) -> Output {
    Command::new(env::current_exe().expect("a path"))
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .envs(variables.iter().copied())
        .output()
        .expect("run")
}

#[track_caller]
fn assert_success(output: &Output) {
    assert!(output.status.success(), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{output:?}"
    );
}

#[test]
fn without_init_spawn_is_an_error() {
    assert_success(&run("harness::does_not_initialise", &[]));
}

#[test]
fn does_not_initialise() {
    if !is_alone() {
        return;
    }
    assert!(matches!(
        process::spawn(|()| (), ()),
        Err(SpawnError::NotInitialised)
    ));
    // Nor does init on a thread that is not the main one, as a test's.
    process::init();
    assert!(matches!(
        process::spawn(|()| (), ()),
        Err(SpawnError::NotInitialised)
    ));
}

/// A child whose program never calls init: it is no worker, and cannot spawn.
#[test]
fn never_initialises() {
    if !has_a_job() {
        return;
    }
    match process::spawn(|()| (), ()) {
        Err(SpawnError::NotInitialised) => exit(7),
        other => panic!("{other:?}"),
    }
}

/// A child that starts a program which does call init.
#[test]
fn passes_its_environment_on() {
    if !has_a_job() {
        return;
    }
    assert_success(&run("harness::initialises_and_spawns", &[]));
    exit(8)
}

#[test]
fn a_stale_variable_is_ignored_and_removed() {
    for stale in [
        "",
        "1",
        "x:y",
        "-1:0",
        "1:0",
        "0:ffff",
        "99999:5",
        "99999999999:5",
        "7:-3",
    ] {
        assert_success(&run(
            "harness::initialises_and_spawns",
            &[("CROSSDOCK_SPAWN", stale)],
        ));
    }
}

#[test]
fn initialises_and_spawns() {
    process::init_test("crossdock_worker");
    assert!(!has_a_job());
    let worker = process::spawn(|number: u32| number + 1, 1).expect("spawned");
    assert_eq!(worker.join().expect("joined"), 2);
}

#[test]
fn what_the_workers_harness_prints_is_not_seen_and_what_the_function_prints_is() {
    let output = run("harness::prints", &[]);
    assert_success(&output);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed.matches("from the worker").count(), 1, "{printed}");
    assert_eq!(printed.matches("running 1 test").count(), 1, "{printed}");
    assert!(!printed.contains("crossdock_worker"), "{printed}");
}

#[test]
fn prints() {
    process::init_test("crossdock_worker");
    process::spawn(|()| print!("from the worker"), ())
        .expect("spawned")
        .join()
        .expect("joined");
}

#[test]
fn a_test_may_be_its_own_worker() {
    process::init_test("harness::a_test_may_be_its_own_worker");
    let worker = process::spawn(|number: u32| number + 1, 1).expect("spawned");
    assert_eq!(worker.join().expect("joined"), 2);
    process::init_test("crossdock_worker");
}

#[test]
fn a_process_whose_main_thread_has_ended_still_does_everything() {
    let output = run("harness::goes_on_without_its_main_thread", &[]);
    assert_eq!(output.status.code(), Some(23), "{output:?}");
}

#[test]
fn goes_on_without_its_main_thread() {
    extern "C" fn end_thread(_: libc::c_int) {
        // SAFETY: ends the calling thread, as pthread_exit does at last.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
    if !is_alone() {
        return;
    }
    process::init_test("crossdock_worker");
    let handler: extern "C" fn(libc::c_int) = end_thread;
    // SAFETY: the handler makes one system call.
    unsafe { libc::signal(libc::SIGUSR1, handler as libc::sighandler_t) };
    let me = std::process::id();
    // SAFETY: a signal to the main thread, whose id is that of the process.
    unsafe { libc::syscall(libc::SYS_tgkill, me, me, libc::SIGUSR1) };
    while !std::fs::read_to_string(format!("/proc/{me}/task/{me}/stat"))
        .expect("/proc")
        .contains(") Z ")
    {
        std::thread::yield_now();
    }
    let name = format!("test-main-thread-{me}");
    let named = SegmentOptions::new().create_new(&name).expect("made");
    named.unlink().expect("unlinked");
    let segment = Segment::anonymous().expect("made");
    let mutex = segment.create::<Mutex<u64>>("m", 1).expect("created");
    *mutex.lock().expect("locked") += 1;
    assert!(segment.participants()[0].start_time > 0);
    let worker = process::spawn(
        |mutex: Mutex<u64>| {
            *mutex.lock().expect("locked") += 1;
        },
        mutex.clone(),
    );
    worker.expect("spawned").join().expect("joined");
    assert_eq!(*mutex.lock().expect("locked"), 3);
    exit(23);
}

/// Runs a test of this binary through another program, which is not there on every machine.
fn run_through(program: &[&str], test: &str) -> Option<Output> {
    let (first, rest) = program.split_first().expect("a program");
    let output = Command::new(first)
        .args(rest)
        .arg(env::current_exe().expect("a path"))
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output();
    match output {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("skipped, {first}: {error}");
            None
        }
    }
}

#[test]
fn a_program_that_was_started_through_the_loader_spawns() {
    let loader = "/lib64/ld-linux-x86-64.so.2";
    for program in [
        &[loader][..],
        &[loader, "--library-path", "/lib", "--argv0", "another"],
    ] {
        if let Some(output) = run_through(program, "harness::initialises_and_spawns") {
            assert_success(&output);
        }
    }
}

#[test]
fn a_program_that_runs_under_valgrind_spawns() {
    let program = ["valgrind", "-q", "--tool=none"];
    if let Some(output) = run_through(&program, "harness::initialises_and_spawns") {
        assert_success(&output);
    }
}

/// Where the copy of this program is that is to be replaced.
const COPY: &str = "CROSSDOCK_TEST_COPY";

#[test]
fn a_program_whose_file_was_replaced_spawns_what_it_is() {
    let folder = env::temp_dir().join(format!("crossdock-replaced-{}", std::process::id()));
    for program in ["./copy", folder.join("copy").to_str().expect("a text")] {
        std::fs::create_dir_all(&folder).expect("a folder");
        let copy = folder.join("copy");
        std::fs::copy(env::current_exe().expect("a path"), &copy).expect("copied");
        let output = Command::new(program)
            .current_dir(&folder)
            .args(["harness::is_replaced_and_spawns", "--exact", "--nocapture"])
            .env(ALONE, "1")
            .env(COPY, &copy)
            .output()
            .expect("run");
        std::fs::remove_dir_all(&folder).expect("removed");
        assert_success(&output);
    }
}

#[test]
fn is_replaced_and_spawns() {
    let Some(copy) = env::var_os(COPY).filter(|_| is_alone()) else {
        return;
    };
    std::fs::remove_file(&copy).expect("removed");
    std::fs::write(&copy, "another program").expect("written");
    // A path that was relative leads nowhere now.
    env::set_current_dir("/").expect("there");
    initialises_and_spawns();
    initialises_and_spawns();
}
