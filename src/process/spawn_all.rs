//! Starting several processes at once.

use super::options::SpawnOptions;
use super::spawn::{Begun, Trampoline, begin_at, trampoline};
use super::{Portable, Process, SpawnError};

/// Runs `function` in as many new processes as there are `args`. Starts all before it waits for
/// one of them to take over the ends among its arguments.
pub(super) fn start_all<A, R>(
    options: &SpawnOptions,
    function: fn(A) -> R,
    args: &[A],
) -> Result<Vec<Process<R>>, SpawnError>
where
    A: Portable,
    R: Portable,
{
    let entry: Trampoline = trampoline::<A, R>;
    let mut begun = Vec::with_capacity(args.len());
    let all = args.iter().try_for_each(|args| {
        begun.push(begin_at(options, function as *const (), entry, args)?);
        Ok(())
    });
    let all = all.and_then(|()| begun.iter().try_for_each(Begun::wait));
    let processes = begun.into_iter().map(|one| Process::new(one.started));
    let processes: Vec<Process<R>> = processes.collect();
    match all {
        Ok(()) => Ok(processes),
        Err(error) => {
            for process in processes {
                // It may have ended, or was killed and reaped.
                let _ = process.kill();
                let _ = process.join();
            }
            Err(error)
        }
    }
}
