//! What a process costs: `process::spawn` and `join`, beside posix_spawn(3) and waitpid(2) of this
//! very program whose `main` returns at once; with little memory and with 1 GiB.
//!
//! ```text
//! cargo bench -p benches --bench starting
//! cargo bench -p benches --bench starting -- 2000   # pairs; 400 by default
//! ```
//!
//! The two are started in turn, and each pair has its own ratio, of which the median is printed: a
//! machine that is slower for a moment is so for both.

use std::env;
use std::error::Error;
use std::ffi::CString;
use std::ptr::{null, null_mut};
use std::time::Instant;

use crossdock::process;

/// The argument with which this program ends at once.
const AT_ONCE: &str = "end-at-once";
/// The least ratio that is a miss of the goal.
const GOAL: f64 = 1.15;

fn main() -> Result<(), Box<dyn Error>> {
    let argument = env::args().nth(1);
    if argument.as_deref() == Some(AT_ONCE) {
        return Ok(());
    }
    process::init();
    let pairs = argument.and_then(|text| text.parse().ok()).unwrap_or(400);
    println!("start and end of a process, medians of {pairs} pairs");
    println!(
        "{:>14} {:>16} {:>16} {:>8}",
        "memory", "posix_spawn us", "process us", "ratio"
    );
    for mebibytes in [0, 1024] {
        let memory = touched(mebibytes << 20);
        let [least, ours, ratio] = measure(pairs)?;
        let verdict = if ratio <= GOAL {
            ""
        } else {
            "  above the goal"
        };
        println!("{mebibytes:>10} MiB {least:>16.1} {ours:>16.1} {ratio:>8.3}{verdict}");
        drop(memory);
    }
    Ok(())
}

/// So many bytes, each page of which is written to, small pages as a heap of objects has them.
fn touched(bytes: usize) -> Vec<Vec<u8>> {
    const PIECE: usize = 64 << 10;
    (0..bytes / PIECE).map(|_| vec![1; PIECE]).collect()
}

/// Medians: microseconds of the one, of the other, and their ratio.
fn measure(pairs: usize) -> Result<[f64; 3], Box<dyn Error>> {
    let mut all = [Vec::new(), Vec::new(), Vec::new()];
    for pair in 0..pairs + 10 {
        let begun = Instant::now();
        end_at_once()?;
        let least = begun.elapsed().as_secs_f64() * 1e6;
        let begun = Instant::now();
        let worker = process::spawn(|number: u64| number + 1, 1)?;
        assert_eq!(worker.join()?, 2);
        let ours = begun.elapsed().as_secs_f64() * 1e6;
        // The first ones find cold caches.
        if pair >= 10 {
            for (all, value) in all.iter_mut().zip([least, ours, ours / least]) {
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
    let path = c"/proc/self/exe";
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
