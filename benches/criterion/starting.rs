//! What a process costs: `process::spawn` and `join`, beside posix_spawn(3) and waitpid(2) of this
//! very program whose `main` returns at once, and beside a start by the fork server and `join`; with
//! little memory and with 1 GiB.
//!
//! ```text
//! cargo bench -p benches --bench starting
//! cargo bench -p benches --bench starting -- 2000   # pairs; 400 by default
//! ```
//!
//! They are started in turn, and each round has its own ratios, of which the medians are printed: a
//! machine that is slower for a moment is so for all.

use std::env;
use std::error::Error;
use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::time::Instant;

use crossdock::process::{self, Builder, StartMethod};

/// The argument with which this program ends at once.
const AT_ONCE: &str = "end-at-once";
/// The largest ratio of a spawn to posix_spawn(3) that meets the goal.
const GOAL: f64 = 1.15;
/// The largest ratio of a start by the fork server to a spawn that meets the goal.
const SERVER_GOAL: f64 = 0.25;

fn main() -> Result<(), Box<dyn Error>> {
    let argument = env::args().nth(1);
    if argument.as_deref() == Some(AT_ONCE) {
        return Ok(());
    }
    process::init();
    let pairs = argument.and_then(|text| text.parse().ok()).unwrap_or(400);
    println!("start and end of a process, medians of {pairs} rounds");
    println!(
        "{:>14} {:>16} {:>10} {:>18} {:>16} {:>16}",
        "memory", "posix_spawn us", "spawn us", "fork server us", "spawn / posix", "server / spawn"
    );
    for mebibytes in [0, 1024] {
        let memory = touched(mebibytes << 20);
        let [least, spawned, served, ratio, servers] = measure(pairs)?;
        print!("{mebibytes:>10} MiB {least:>16.1} {spawned:>10.1} {served:>18.1}");
        print!(" {ratio:>16.3} {servers:>16.3}");
        for (name, ratio, goal) in [("spawn", ratio, GOAL), ("server", servers, SERVER_GOAL)] {
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
    Ok(all.map(|mut values| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    }))
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
