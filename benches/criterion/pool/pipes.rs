//! Two pipes for each worker, by hand: what a program would do without a library.
//!
//! A message is a number and the items, which are their bytes as they are: one write(2), and on the
//! other side one read(2). Nothing is encoded, no death is noticed, and each worker has its share
//! of the messages whether or not it is slower than the others.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::time::Instant;

use crate::{Failed, Load, cores, work};

struct Worker {
    tasks: PipeWriter,
    results: PipeReader,
    process: i32,
    in_flight: usize,
}

/// Runs the items in messages of `N`, so many of which are in flight.
pub(crate) fn run<const N: usize>(load: Load, in_flight: usize) -> Result<(f64, u64), Failed> {
    let mut workers = (0..load.workers)
        .map(|_| start::<N>())
        .collect::<Result<Vec<_>, _>>()?;
    cores::pin(load.cores, workers.iter().map(|worker| worker.process));
    let share = in_flight.div_ceil(load.workers);
    let begun = Instant::now();
    let mut message = vec![0; (N + 1) * 8];
    let mut items = (0..load.items).peekable();
    let (mut number, mut sum, mut waiting) = (0u64, 0u64, load.items.div_ceil(N as u64));
    while waiting > 0 {
        for worker in &mut workers {
            while worker.in_flight < share && items.peek().is_some() {
                message[..8].copy_from_slice(&number.to_le_bytes());
                for place in message[8..].chunks_exact_mut(8) {
                    place.copy_from_slice(&items.next().unwrap_or(u64::MAX).to_le_bytes());
                }
                worker.tasks.write_all(&message)?;
                worker.in_flight += 1;
                number += 1;
            }
        }
        for worker in &mut workers {
            for _ in 0..worker.in_flight.div_ceil(2) {
                worker.results.read_exact(&mut message)?;
                for result in message[8..].chunks_exact(8) {
                    sum = sum
                        .wrapping_add(u64::from_le_bytes(*result.first_chunk().unwrap_or(&[0; 8])));
                }
                worker.in_flight -= 1;
                waiting -= 1;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    // The end of its tasks is the end of a worker; later ones have copies of the earlier ones'
    // ends.
    let processes: Vec<i32> = workers.into_iter().map(|worker| worker.process).collect();
    for process in processes {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        let waited = unsafe { libc::waitpid(process, &raw mut status, 0) };
        assert_eq!((waited, status), (process, 0));
    }
    Ok((seconds, sum))
}

fn start<const N: usize>() -> io::Result<Worker> {
    let (task_reader, tasks) = io::pipe()?;
    let (results, result_writer) = io::pipe()?;
    // SAFETY: the child reads, writes and ends; it takes no lock.
    let process = unsafe { libc::fork() };
    if process < 0 {
        return Err(io::Error::last_os_error());
    }
    if process == 0 {
        drop((tasks, results));
        serve::<N>(task_reader, result_writer);
    }
    Ok(Worker {
        tasks,
        results,
        process,
        in_flight: 0,
    })
}

fn serve<const N: usize>(mut tasks: PipeReader, mut results: PipeWriter) -> ! {
    // Its memory is not the heap, whose lock another thread may have had at the fork.
    let mut buffer = [0; 1024];
    let message = &mut buffer[..(N + 1) * 8];
    while tasks.read_exact(message).is_ok() {
        for place in message[8..].chunks_exact_mut(8) {
            let item = u64::from_le_bytes(*place.first_chunk().unwrap_or(&[0; 8]));
            place.copy_from_slice(&work(item).to_le_bytes());
        }
        if results.write_all(message).is_err() {
            break;
        }
    }
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(0) }
}
