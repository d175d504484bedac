//! Python's `multiprocessing.Pool`, its workers forked.

use std::io;
use std::process::Command;

use crate::{Failed, Load};

/// Prints seconds and the sum.
const PYTHON: &str = "
import multiprocessing, os, sys, time
what, items, workers, first, second = sys.argv[1], *map(int, sys.argv[2:])
def work(item):
    return (item * item & 0xffff_ffff_ffff_ffff) ^ 7
def pin():
    if second >= 0:
        os.sched_setaffinity(0, {second})
if __name__ == '__main__':
    multiprocessing.set_start_method('fork')
    with multiprocessing.Pool(workers, pin) as pool:
        if first >= 0:
            os.sched_setaffinity(0, {first})
        pool.map(work, [1])
        begun = time.perf_counter()
        if what == 'apply':
            total = sum(pool.apply(work, (item,)) for item in range(items))
        elif what == 'imap':
            total = sum(pool.imap_unordered(work, range(items)))
        elif what == 'map100':
            total = sum(pool.map(work, range(items), 100))
        else:
            total = sum(pool.map(work, range(items)))
        print(time.perf_counter() - begun, total & 0xffff_ffff_ffff_ffff)
";

/// Runs the load; not a number where there is no Python.
pub(crate) fn run(what: &str, load: Load) -> Result<(f64, u64), Failed> {
    let cores = load.cores.map_or([-1, -1], |cores| {
        cores.map(|core| i64::try_from(core).unwrap_or(-1))
    });
    let [first, second] = cores.map(|core| core.to_string());
    let (items, workers) = (load.items.to_string(), load.workers.to_string());
    let output = match Command::new("python3")
        .args(["-c", PYTHON, what, &items, &workers, &first, &second])
        .output()
    {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((f64::NAN, 0)),
        Err(error) => return Err(error.into()),
    };
    let printed = String::from_utf8(output.stdout)?;
    let mut words = printed.split_whitespace();
    match (words.next(), words.next()) {
        (Some(seconds), Some(sum)) => Ok((seconds.parse()?, sum.parse()?)),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}
