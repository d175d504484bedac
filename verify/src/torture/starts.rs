//! `torture starts`: thousands of processes, started in both ways, that return, exit, panic and are
//! killed; nothing is left of them.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use crossdock::process::{self, Builder, JoinError, Process, StartMethod, Stdio};
use nix::errno::Errno;
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use crate::process::{Broken, Rig, until, watch_over};
use crate::random::Random;
use crate::torture::driver::Tally;
use crate::torture::{Report, TortureArgs, has_bug};

const WATCHDOG: u32 = 60;
/// How many processes there are at a time, at most.
const AT_ONCE: u64 = 4;
/// How long the end of what ends by itself may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same where a bug is expected, and waiting for nothing.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

/// What a process does: it returns, prints and returns, exits, panics, or waits to be killed.
fn acts((act, number): (u64, u64)) -> u64 {
    match act {
        1 => print!("{number}"),
        2 => std::process::exit(3),
        3 => std::panic::panic_any("as planned"),
        4 => loop {
            std::thread::park();
        },
        _ => {}
    }
    number
}

/// What this process has: open files, threads, and mappings of memory files.
pub(super) fn held() -> Rig<(usize, usize, usize)> {
    let entries = |directory: &str| Ok::<_, Broken>(fs::read_dir(directory)?.count());
    let maps = fs::read_to_string("/proc/thread-self/maps")?;
    Ok((
        entries("/proc/thread-self/fd")?,
        entries("/proc/thread-self/../")?,
        maps.lines().filter(|line| line.contains("/memfd:")).count(),
    ))
}

/// The names in /dev/shm.
fn names() -> Rig<BTreeSet<String>> {
    let names = fs::read_dir("/dev/shm")?.map(|entry| Ok(entry?.file_name()));
    let names: Result<Vec<_>, std::io::Error> = names.collect();
    Ok(names?
        .into_iter()
        .map(|name| name.to_string_lossy().into_owned())
        .collect())
}

struct Started {
    process: Process<u64>,
    act: u64,
    number: u64,
}

/// Starts one in one of the ways that there are.
fn start(number: u64, random: &mut Random) -> Rig<Started> {
    let method = match random.below(2) {
        0 => StartMethod::Spawn,
        _ => StartMethod::ForkServer,
    };
    let act = random.below(5);
    let builder = Builder::new().start(method).daemon(random.below(2) == 0);
    let builder = match act {
        1 => builder.stdout(Stdio::Piped),
        // A backtrace would take a hundred times as long as the rest.
        3 => builder.stderr(Stdio::Null).env("RUST_BACKTRACE", "0"),
        _ => builder.stderr(Stdio::Null),
    };
    let process = builder.spawn(acts, (act, number))?;
    Ok(Started {
        process,
        act,
        number,
    })
}

/// Waits for the end of one; returns what is wrong with it.
fn end(started: Started) -> Rig<Option<String>> {
    let Started {
        mut process,
        act,
        number,
    } = started;
    if act == 4 {
        process.kill()?;
    }
    let mut printed = String::new();
    if let Some(mut stdout) = process.stdout.take() {
        stdout.read_to_string(&mut printed)?;
    }
    let joined = process.join();
    let is_good = match (act, &joined) {
        (0, Ok(result)) => *result == number,
        (1, Ok(result)) => *result == number && printed == number.to_string(),
        (2, Err(JoinError::Exited { code: 3 })) | (3, Err(JoinError::Panicked(_))) => true,
        (4, Err(JoinError::Killed { signal })) => *signal == libc::SIGKILL,
        _ => false,
    };
    Ok((!is_good).then(|| format!("process {number}, act {act}: {joined:?}, {printed:?}")))
}

/// When all processes have ended: says so if there are more files, threads or memory files than
/// `before`, or a child. Returns what there is.
pub(super) fn end_of_all(
    before: (usize, usize, usize),
    faults: &mut Vec<String>,
) -> Rig<(usize, usize, usize)> {
    // The thread that polls for exits ends by itself, also that of before. A child whose end a fork
    // server had not told yet is kept until it is asked for.
    let is_more =
        |now: (usize, usize, usize)| now.0 > before.0 || now.1 > before.1 || now.2 > before.2;
    let mut after = held()?;
    let patience = if has_bug() { SHORT_PATIENCE } else { PATIENCE };
    until(patience, || {
        let _ = process::active_children();
        held().is_ok_and(|now| {
            after = now;
            !is_more(now)
        })
    });
    if is_more(after) {
        faults.push(format!(
            "descriptors, threads and memory files: {before:?} before, {after:?} after"
        ));
    }
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::All, flags) {
        Err(Errno::ECHILD) => {}
        other => faults.push(format!("a child is left: {other:?}")),
    }
    let children = process::active_children();
    if !children.is_empty() {
        faults.push(format!("children are left: {children:?}"));
    }
    Ok(after)
}

pub(super) fn run(args: &TortureArgs, mut random: Random) -> Rig<Report> {
    let mut tally = Tally::default();
    // What is made once is made: the connection to the fork server is one such thing.
    let server = Builder::new().start(StartMethod::ForkServer);
    server.spawn(|()| (), ())?.join()?;
    let (before, names_before) = (held()?, names()?);
    let begun = Instant::now();
    let most = args.count.unwrap_or(u64::MAX);
    let time = args.time();
    let mut ids = HashSet::from([std::process::id()]);
    let mut number = 0;
    let mut leaked = Vec::new();
    while tally.faults.is_empty()
        && number < most
        && (args.count.is_some() || begun.elapsed() < time)
    {
        watch_over(WATCHDOG)?;
        let mut some = Vec::new();
        for _ in 0..(1 + random.below(AT_ONCE)).min(most - number) {
            let started = start(number, &mut random)?;
            ids.insert(started.process.id());
            number += 1;
            some.push(started);
        }
        if has_bug() {
            leaked.push(fs::File::open("/dev/null")?);
        }
        for started in some {
            tally.kills += u64::from(started.act == 4);
            tally.faults.extend(end(started)?);
        }
    }
    let took = begun.elapsed();
    let after = end_of_all(before, &mut tally.faults)?;
    // Other programs may make names meanwhile; those of crossdock's own are made of ids.
    for name in names()?.difference(&names_before) {
        if name
            .split(['-', '.'])
            .any(|part| part.parse().is_ok_and(|id| ids.contains(&id)))
        {
            tally.faults.push(format!("{name} is left in /dev/shm"));
        }
    }
    for id in &ids {
        match fs::read_to_string(format!("/proc/{id}/stat")) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Ok(stat) if stat.contains(") Z ") => tally.faults.push(format!("{id} is a zombie")),
            _ => {}
        }
    }
    Ok(Report {
        what: "starts",
        done: format!(
            "{number} processes in {:.1} s, {} descriptors, {} threads and {} memory files after",
            took.as_secs_f64(),
            after.0,
            after.1,
            after.2
        ),
        tally,
    })
}
