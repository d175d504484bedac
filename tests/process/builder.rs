//! Processes with options: names, environment, directory, standard streams.

use std::io::{Read, Write};
use std::path::PathBuf;

use crossdock::process::{Builder, OptionError, Process, SpawnError, Stdio, VariableFault};

use crate::support::{call, outcome, spawn_with};

/// The name under which ps shows this process.
fn shown() -> String {
    let id = std::process::id();
    let name = std::fs::read_to_string(format!("/proc/{id}/task/{id}/comm")).expect("/proc");
    name.trim().to_owned()
}

/// The first word of this process's command line.
fn command() -> Vec<u8> {
    let line = std::fs::read("/proc/self/cmdline").expect("/proc");
    line.split(|byte| *byte == 0).next().expect("a word").into()
}

#[test]
fn a_process_without_a_name_is_counted_and_so_are_those_it_starts() {
    type Names = Vec<(String, String)>;
    /// The names of two children: as their parent knows them, and as ps does.
    fn two((): ()) -> Names {
        [(); 2]
            .map(|()| {
                let mut worker = spawn_with(&Builder::new(), |()| shown(), ());
                let name = worker.name().to_owned();
                (name, outcome(&mut worker).expect("joined"))
            })
            .into()
    }
    let (mut own, inner) = call(
        |()| {
            let own = shown();
            (
                own,
                [call(two, ()), call(two, ())].map(|two| two.expect("joined")),
            )
        },
        (),
    )
    .expect("joined");
    // Other tests of this process count, too.
    let number = own.split_off("Process-".len());
    assert_eq!(own, "Process-");
    assert!(number.parse::<u32>().is_ok_and(|number| number > 0));
    let expected = |child: u32, grandchild: u32| {
        let name = format!("Process-{number}:{child}:{grandchild}");
        (name.clone(), name[..name.len().min(15)].to_owned())
    };
    for (child, names) in (1..).zip(inner) {
        assert_eq!(names, [expected(child, 1), expected(child, 2)]);
    }
}

#[test]
fn a_name_is_shown_and_the_command_line_stays_the_programs() {
    let builder = Builder::new().name("baker of all the bread");
    let mut worker = spawn_with(&builder, |()| (shown(), command()), ());
    assert_eq!(worker.name(), "baker of all the bread");
    assert!(format!("{worker:?}").contains("baker of all the bread"));
    let (shown, command) = outcome(&mut worker).expect("joined");
    assert_eq!(shown, "baker of all th");
    assert_eq!(command, self::command());
}

#[test]
fn names_that_cannot_be_are_errors_that_say_why() {
    let longest = "x".repeat(Builder::MAX_NAME_LEN);
    let mut worker = spawn_with(&Builder::new().name(longest.as_str()), |()| (), ());
    assert_eq!(worker.name(), longest);
    outcome(&mut worker).expect("joined");
    let refused = |name: &str| refusal(&Builder::new().name(name));
    let limit = Builder::MAX_NAME_LEN;
    let long = OptionError::NameTooLong { len: 256, limit };
    assert_eq!(refused(&format!("{longest}x")), long);
    assert_eq!(
        long.to_string(),
        "the name of the process has 256 bytes, and the longest has 255: \
         pass what is longer as an argument"
    );
    assert_eq!(refused("a\0b"), OptionError::NulInName { at: 1 });
    assert_eq!(refused(""), OptionError::EmptyName);
}

/// What the builder's options are refused for.
fn refusal(builder: &Builder) -> OptionError {
    crossdock::process::init_test("crossdock_worker");
    match builder.spawn(|()| (), ()) {
        Err(SpawnError::Option(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn variable(name: String) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn the_environment_is_inherited_changed_or_cleared() {
    let told = |builder: &Builder, name: &str| {
        let mut worker = spawn_with(builder, variable, name.to_owned());
        outcome(&mut worker).expect("joined")
    };
    let (path, value) = ("PATH", std::env::var("PATH").ok());
    assert!(value.is_some());
    let plain = Builder::new();
    assert_eq!(told(&plain, path), value);
    let set = Builder::new()
        .env("CROSSDOCK_TEST_SET", "a=b")
        .env(path, "x");
    assert_eq!(told(&set, "CROSSDOCK_TEST_SET").as_deref(), Some("a=b"));
    assert_eq!(told(&set, path).as_deref(), Some("x"));
    assert_eq!(told(&set.env_remove(path), path), None);
    let clear = Builder::new().env("CROSSDOCK_TEST_SET", "1").env_clear();
    assert_eq!(told(&clear, path), None);
    assert_eq!(told(&clear, "CROSSDOCK_TEST_SET"), None);
    let several = clear.envs([("CROSSDOCK_TEST_A", "1"), ("CROSSDOCK_TEST_B", "2")]);
    assert_eq!(told(&several, "CROSSDOCK_TEST_B").as_deref(), Some("2"));
    assert_eq!(told(&several, "CROSSDOCK_SPAWN"), None);
}

#[test]
fn variables_that_cannot_be_are_errors_that_name_them() {
    let refused = |name: &str, value: &str, expected: VariableFault| {
        let found = refusal(&Builder::new().env(name, value));
        let name = name.to_owned();
        assert_eq!(
            found,
            OptionError::Variable {
                name,
                fault: expected
            }
        );
    };
    refused("A=B", "1", VariableFault::EqualsSign);
    refused("", "1", VariableFault::EmptyName);
    refused("A\0", "1", VariableFault::NulInName);
    refused("A", "1\0", VariableFault::NulInValue);
    refused("CROSSDOCK_SPAWN", "1", VariableFault::Reserved);
    let removed = refusal(&Builder::new().env_remove("A=B"));
    assert!(matches!(removed, OptionError::Variable { .. }));
}

#[test]
fn a_process_runs_in_its_directory_and_this_one_stays_in_its_own() {
    let here = std::env::current_dir().expect("a directory");
    let told = |directory: PathBuf| {
        let builder = Builder::new().current_dir(directory);
        let directory = |()| std::env::current_dir().expect("a directory");
        outcome(&mut spawn_with(&builder, directory, ())).expect("joined")
    };
    assert_eq!(told("/proc/sys".into()), PathBuf::from("/proc/sys"));
    assert_eq!(told("src".into()), here.join("src"));
    assert_eq!(std::env::current_dir().expect("a directory"), here);
}

#[test]
fn a_directory_that_cannot_be_entered_is_an_error_that_names_it() {
    for (path, errno) in [
        ("/no/such/directory", libc::ENOENT),
        ("/proc/self/stat", libc::ENOTDIR),
    ] {
        match refusal(&Builder::new().current_dir(path)) {
            OptionError::Directory {
                path: named,
                source,
            } => {
                assert_eq!(named, PathBuf::from(path));
                assert_eq!(source.errno(), errno);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Repeats its input in upper case, and says on standard error how long it was.
fn shout((): ()) -> usize {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("read");
    print!("{}", text.to_uppercase());
    eprint!("{} bytes", text.len());
    text.len()
}

fn read(mut pipe: impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).expect("read");
    text
}

#[test]
fn piped_streams_are_written_and_read() {
    let builder = Builder::new()
        .stdin(Stdio::Piped)
        .stdout(Stdio::Piped)
        .stderr(Stdio::Piped);
    // A builder starts as many as are asked for.
    for _ in 0..2 {
        let mut worker: Process<usize> = spawn_with(&builder, shout, ());
        let mut stdin = worker.stdin.take().expect("a pipe");
        stdin.write_all(b"fresh bread").expect("written");
        drop(stdin);
        assert_eq!(read(worker.stdout.take().expect("a pipe")), "FRESH BREAD");
        assert_eq!(read(worker.stderr.take().expect("a pipe")), "11 bytes");
        assert_eq!(outcome(&mut worker).expect("joined"), 11);
    }
}

#[test]
fn a_join_ends_the_input_of_a_process() {
    let builder = Builder::new().stdin(Stdio::Piped).stdout(Stdio::Null);
    let worker = spawn_with(&builder.stderr(Stdio::Null), shout, ());
    assert!(worker.stdout.is_none() && worker.stderr.is_none());
    assert_eq!(worker.join().expect("joined"), 0);
}

#[test]
fn a_pipe_ends_when_the_process_is_killed() {
    let builder = Builder::new().stdout(Stdio::Piped);
    let mut worker = spawn_with(
        &builder,
        |()| {
            print!("half");
            std::io::stdout().flush().expect("flushed");
            loop {
                std::thread::park();
            }
        },
        (),
    );
    let mut stdout = worker.stdout.take().expect("a pipe");
    let mut half = [0; 4];
    stdout.read_exact(&mut half).expect("read");
    worker.kill().expect("killed");
    assert_eq!((&half, read(stdout).as_str()), (b"half", ""));
    let joined: Result<(), _> = outcome(&mut worker);
    joined.expect_err("killed");
}

#[test]
fn a_start_without_descriptors_is_an_error_that_names_the_limit_and_leaves_nothing() {
    let told = call(
        |()| {
            let open = || std::fs::read_dir("/proc/self/fd").expect("/proc").count();
            let set = |files: usize| {
                let limit = libc::rlimit {
                    rlim_cur: u64::try_from(files).expect("few"),
                    rlim_max: 1 << 10,
                };
                // SAFETY: `limit` lives during the call, and this process is the test's.
                unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
            };
            let before = open();
            let builder = Builder::new()
                .daemon(true)
                .stdin(Stdio::Piped)
                .stdout(Stdio::Piped)
                .current_dir("/");
            let mut refused = Vec::new();
            // One more at each try: each thing that is made for a start is refused in turn.
            for files in 0.. {
                set(files);
                let spawned = builder.spawn(|()| std::thread::park(), ());
                set(1 << 10);
                match spawned {
                    Err(error) => refused.push(error.to_string()),
                    Ok(worker) => {
                        worker.kill().expect("killed");
                        worker.join().expect_err("killed");
                        break;
                    }
                }
            }
            (refused, open() == before, crate::support::has_children())
        },
        (),
    );
    let (mut refused, same, children) = told.expect("joined");
    assert!(same && !children);
    refused.dedup();
    assert!(refused.len() > 4, "{refused:?}");
    for text in refused {
        let is_directory = text.starts_with("the process cannot run in the directory");
        assert!(is_directory || text.contains("RLIMIT_NOFILE"), "{text}");
    }
}
