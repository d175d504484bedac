//! Two pipes for each worker, by hand: a message is a number of items, as their bytes are.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::time::Instant;

use crossdock_cli::Failure;

use super::{Speed, WORKERS};

/// The bytes of an item.
const ITEM: usize = size_of::<u64>();
/// The items of the longer messages; so many messages are with a worker at a time.
const CHUNK: usize = 100;
const AHEAD: u64 = 16;

struct Worker {
    tasks: Option<PipeWriter>,
    results: PipeReader,
    process: libc::pid_t,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its tasks is its end.
        self.tasks = None;
        // SAFETY: waits for the child that `start` made; a null status asks for none.
        unsafe { libc::waitpid(self.process, std::ptr::null_mut(), 0) };
    }
}

#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
pub(super) fn speed(singles: u64, items: u64) -> Result<Speed, Failure> {
    let took =
        |items: u64, chunk: usize| -> io::Result<f64> { Ok(pass(items, chunk)? / items as f64) };
    Ok(Speed {
        single_ns: took(singles, 1).map_err(Failure::io("a pipe"))?,
        item_ns: took(items, CHUNK).map_err(Failure::io("a pipe"))?,
    })
}

/// Passes the items in messages of `chunk` through all workers; returns the time in nanoseconds.
#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
fn pass(items: u64, chunk: usize) -> io::Result<f64> {
    let mut workers = Vec::new();
    for _ in 0..WORKERS {
        // Those before it are to end although it has their pipes.
        let inherited: Vec<&Worker> = workers.iter().collect();
        let worker = start(chunk, &inherited)?;
        workers.push(worker);
    }
    let begun = Instant::now();
    let mut message = vec![7; chunk * ITEM];
    let share = items.div_ceil(chunk as u64).div_ceil(WORKERS as u64);
    let (mut sent, mut received) = (0, 0);
    while received < share {
        while sent < share && sent < received + AHEAD {
            for worker in &mut workers {
                if let Some(tasks) = &mut worker.tasks {
                    tasks.write_all(&message)?;
                }
            }
            sent += 1;
        }
        for worker in &mut workers {
            worker.results.read_exact(&mut message)?;
        }
        received += 1;
    }
    Ok(begun.elapsed().as_nanos() as f64)
}

fn start(chunk: usize, others: &[&Worker]) -> io::Result<Worker> {
    let (task_reader, tasks) = io::pipe()?;
    let (results, result_writer) = io::pipe()?;
    let buffer = vec![0; chunk * ITEM];
    // SAFETY: the child reads, writes and ends; it takes no lock and uses no heap.
    let process = unsafe { libc::fork() };
    match process {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            use std::os::fd::AsRawFd;
            let writers = others.iter().filter_map(|worker| worker.tasks.as_ref());
            for writer in writers.chain([&tasks]) {
                // SAFETY: its copy in this process, which nothing here uses again.
                unsafe { libc::close(writer.as_raw_fd()) };
            }
            serve(task_reader, result_writer, buffer)
        }
        process => Ok(Worker {
            tasks: Some(tasks),
            results,
            process,
        }),
    }
}

fn serve(mut tasks: PipeReader, mut results: PipeWriter, mut message: Vec<u8>) -> ! {
    while tasks.read_exact(&mut message).is_ok() {
        for item in message.chunks_exact_mut(ITEM) {
            let number = u64::from_le_bytes(*item.first_chunk().unwrap_or(&[0; ITEM]));
            item.copy_from_slice(&number.wrapping_mul(number).to_le_bytes());
        }
        if results.write_all(&message).is_err() {
            break;
        }
    }
    // SAFETY: ends the process; nothing runs after it.
    unsafe { libc::_exit(0) }
}
