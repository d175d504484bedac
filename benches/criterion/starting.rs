//! What a process costs: `process::spawn` and `join`, beside posix_spawn(3) and waitpid(2) of this
//! very program whose `main` returns at once, and beside a start by the fork server and `join`;
//! with little memory and with 1 GiB.
//!
//! ```text
//! cargo bench -p benches --bench starting
//! cargo bench -p benches --bench starting -- 2000   # pairs; 400 by default
//! ```
//!
//! They are started in turn, and each round has its own ratios, of which the medians are printed: a
//! machine that is slower for a moment is so for all. `bare` is what no start can go below here: a
//! child of this program that fork(2) made before, a byte to it, a byte back, its _exit(2), and
//! poll(2) of its pidfd. `in a row` are twenty starts and joins, each after the one before, by the
//! fork server as a ratio of as many spawns.

use std::env;
use std::error::Error;
use std::ffi::CString;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::ptr::{null, null_mut};
use std::time::Instant;

use crossdock::process::{self, Builder, StartMethod};

/// The argument with which this program ends at once.
const AT_ONCE: &str = "end-at-once";
/// The largest ratio of a spawn to posix_spawn(3) that meets the goal.
const GOAL: f64 = 1.15;
/// The largest ratio of a start by the fork server to a spawn that meets the goal.
const SERVER_GOAL: f64 = 0.25;
/// How many starts are one after the other.
const ROW: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let argument = env::args().nth(1);
    if argument.as_deref() == Some(AT_ONCE) {
        return Ok(());
    }
    process::init();
    let pairs = argument.and_then(|text| text.parse().ok()).unwrap_or(400);
    println!("start and end of a process, medians of {pairs} rounds");
    println!(
        "{:>9} {:>15} {:>9} {:>15} {:>14} {:>15} {:>13} {:>9}",
        "memory",
        "posix_spawn us",
        "spawn us",
        "fork server us",
        "spawn / posix",
        "server / spawn",
        "bare / spawn",
        "in a row"
    );
    for mebibytes in [0, 1024] {
        let memory = touched(mebibytes << 20);
        let [least, spawned, served, ratio, servers] = measure(pairs)?;
        let row = in_a_row(pairs / ROW + 1)?;
        // A bare child of a large process ends as late as that is large.
        let bare = match mebibytes {
            0 => format!("{:.3}", bare_children(pairs)? / spawned),
            _ => String::new(),
        };
        print!("{mebibytes:>5} MiB {least:>15.1} {spawned:>9.1} {served:>15.1}");
        print!(" {ratio:>14.3} {servers:>15.3} {bare:>13} {row:>9.3}");
        let all = [
            ("spawn", ratio, GOAL),
            ("server", servers, SERVER_GOAL),
            ("in a row", row, SERVER_GOAL),
        ];
        for (name, ratio, goal) in all {
            if ratio > goal {
                print!("  {name}: above the goal of {goal}");
            }
        }
        println!();
        drop(memory);
    }
    Ok(())
}

/// So many bytes, each page of which is written to, small pages as a heap of objects has them.
fn touched(bytes: usize) -> Vec<Vec<u8>> {
    const PIECE: usize = 64 << 10;
    (0..bytes / PIECE).map(|_| vec![1; PIECE]).collect()
}

/// Medians: microseconds of posix_spawn(3), of a spawn and of the fork server; the ratio of the
/// second to the first, and of the third to the second.
fn measure(pairs: usize) -> Result<[f64; 5], Box<dyn Error>> {
    let served = Builder::new().start(StartMethod::ForkServer);
    let mut all = [const { Vec::new() }; 5];
    for pair in 0..pairs + 10 {
        let begun = Instant::now();
        end_at_once()?;
        let least = begun.elapsed().as_secs_f64() * 1e6;
        let [spawned, forked] = [&Builder::new(), &served].map(|builder| {
            let begun = Instant::now();
            let worker = builder.spawn(|number: u64| number + 1, 1)?;
            assert_eq!(worker.join()?, 2);
            Ok::<_, Box<dyn Error>>(begun.elapsed().as_secs_f64() * 1e6)
        });
        let (spawned, forked) = (spawned?, forked?);
        // The first ones find cold caches.
        if pair >= 10 {
            let values = [least, spawned, forked, spawned / least, forked / spawned];
            for (all, value) in all.iter_mut().zip(values) {
                all.push(value);
            }
        }
    }
    Ok(all.map(median))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The median ratio of starts in a row by the fork server to spawns in a row, which take turns.
fn in_a_row(rounds: usize) -> Result<f64, Box<dyn Error>> {
    let methods = [StartMethod::Spawn, StartMethod::ForkServer];
    let builders = methods.map(|method| Builder::new().start(method));
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let [spawned, forked] = builders.each_ref().map(|builder| {
            let begun = Instant::now();
            for _ in 0..ROW {
                let worker = builder.spawn(|number: u64| number + 1, 1)?;
                assert_eq!(worker.join()?, 2);
            }
            Ok::<_, Box<dyn Error>>(begun.elapsed().as_secs_f64())
        });
        ratios.push(forked? / spawned?);
    }
    Ok(median(ratios))
}

/// The median of [`bare_child`].
fn bare_children(count: usize) -> Result<f64, Box<dyn Error>> {
    (0..count)
        .map(|_| bare_child())
        .collect::<Result<_, _>>()
        .map(median)
}

/// Microseconds from a byte to a child that sleeps until its end is heard of.
fn bare_child() -> Result<f64, Box<dyn Error>> {
    let (mut own, mut childs) = UnixStream::pair()?;
    // SAFETY: the child makes system calls only.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let mut byte = [0];
        let told = childs.read_exact(&mut byte).is_ok() && childs.write_all(&byte).is_ok();
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(libc::c_int::from(!told)) }
    }
    drop(childs);
    // SAFETY: takes integers.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let pidfd = libc::c_int::try_from(pidfd)?;
    // It sleeps, as a process that waits for a request does.
    while !fs::read_to_string(format!("/proc/{pid}/stat"))?.contains(") S ") {
        std::thread::yield_now();
    }
    let begun = Instant::now();
    own.write_all(&[1])?;
    own.read_exact(&mut [0])?;
    let mut poll = libc::pollfd {
        fd: pidfd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, which outlives the call.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
    let took = begun.elapsed().as_secs_f64() * 1e6;
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!((waited, status), (pid, 0));
    // SAFETY: opened above, and used no more.
    unsafe { libc::close(pidfd) };
    Ok(took)
}

/// posix_spawn(3), waitpid(2).
fn end_at_once() -> Result<(), Box<dyn Error>> {
    unsafe extern "C" {
        static environ: *const *mut libc::c_char;
    }
    let path = c"/proc/thread-self/exe";
    let words = [CString::new("starting")?, CString::new(AT_ONCE)?];
    let arguments = [
        words[0].as_ptr().cast_mut(),
        words[1].as_ptr().cast_mut(),
        null_mut(),
    ];
    // SAFETY: the C library's own list, which nothing in this program changes.
    let environment = unsafe { environ };
    let mut pid = 0;
    // SAFETY: the path and the lists end with a zero, or a null, and outlive the call.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            null(),
            null(),
            arguments.as_ptr(),
            environment,
        )
    };
    if error != 0 {
        return Err(std::io::Error::from_raw_os_error(error).into());
    }
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
    assert_eq!((waited, status), (pid, 0));
    Ok(())
}
