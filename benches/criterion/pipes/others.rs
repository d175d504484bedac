//! What people would use instead: a unix socket pair, and Python's `multiprocessing.Pipe`.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Instant;

use crate::{Cores, Failed, pin};

/// Runs `other` in a forked process with the other end of a socket pair, and `here` in this one.
fn with_fork(
    cores: Cores,
    mut other: impl FnMut(&mut UnixStream) -> io::Result<()>,
    mut here: impl FnMut(&mut UnixStream) -> io::Result<f64>,
) -> Result<f64, Failed> {
    let (mut one, mut two) = UnixStream::pair()?;
    // SAFETY: this program has one thread, so the child may do what this process may.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(io::Error::last_os_error().into());
    }
    if child == 0 {
        drop(one);
        pin(cores, 1);
        let done = other(&mut two);
        // SAFETY: ends the process; nothing runs after it.
        unsafe { libc::_exit(done.is_err().into()) };
    }
    drop(two);
    pin(cores, 0);
    let took = here(&mut one);
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!((waited, status), (child, 0));
    Ok(took?)
}

pub(crate) fn socket_trips(count: u32, cores: Cores) -> Result<f64, Failed> {
    let echo = |socket: &mut UnixStream| {
        let mut bytes = [0; 8];
        for _ in 0..count {
            socket.read_exact(&mut bytes)?;
            socket.write_all(&bytes)?;
        }
        Ok(())
    };
    with_fork(cores, echo, |socket| {
        let mut bytes = [7; 8];
        let begun = Instant::now();
        for _ in 0..count {
            socket.write_all(&bytes)?;
            socket.read_exact(&mut bytes)?;
        }
        Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(count))
    })
}

pub(crate) fn socket_stream(count: u32, cores: Cores) -> Result<f64, Failed> {
    let receive = |socket: &mut UnixStream| {
        let mut bytes = [0; 64];
        for _ in 0..count {
            socket.read_exact(&mut bytes)?;
        }
        socket.write_all(&bytes[..1])
    };
    with_fork(cores, receive, |socket| {
        let bytes = [7; 64];
        let begun = Instant::now();
        for _ in 0..count {
            socket.write_all(&bytes)?;
        }
        socket.read_exact(&mut [0])?;
        Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(count))
    })
}

/// Two processes of Python's multiprocessing; prints nanoseconds for each message.
const PYTHON: &str = "
import multiprocessing, os, sys, time
what, count, first, second = sys.argv[1], *map(int, sys.argv[2:])
def pin(core):
    if core >= 0:
        os.sched_setaffinity(0, {core})
def other(conn):
    pin(second)
    if what == 'trips':
        for _ in range(count):
            conn.send(conn.recv())
    else:
        for _ in range(count):
            conn.recv()
        conn.send(1)
if __name__ == '__main__':
    multiprocessing.set_start_method('fork')
    conn, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=other, args=(theirs,))
    process.start()
    pin(first)
    value = b'7' * 64
    begun = time.perf_counter()
    if what == 'trips':
        for number in range(count):
            conn.send(number)
            assert conn.recv() == number
    else:
        for _ in range(count):
            conn.send(value)
        conn.recv()
    print((time.perf_counter() - begun) * 1e9 / count)
    process.join()
";

fn python(what: &str, count: u32, cores: Cores) -> Result<f64, Failed> {
    // It is slower, and a tenth is enough.
    let count = (count / 10).max(1).to_string();
    let cores = cores.map_or([-1, -1], |cores| {
        cores.map(|core| i64::try_from(core).unwrap_or(-1))
    });
    let [first, second] = cores.map(|core| core.to_string());
    let mut command = Command::new("python3");
    let output = match command
        .args(["-c", PYTHON, what, &count, &first, &second])
        .output()
    {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(f64::NAN),
        Err(error) => return Err(error.into()),
    };
    let printed = String::from_utf8(output.stdout)?;
    printed
        .trim()
        .parse()
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned().into())
}

pub(crate) fn python_trips(count: u32, cores: Cores) -> Result<f64, Failed> {
    python("trips", count, cores)
}

pub(crate) fn python_stream(count: u32, cores: Cores) -> Result<f64, Failed> {
    python("stream", count, cores)
}
