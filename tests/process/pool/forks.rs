//! Forks of a pool's process, which have no part in the pool.

use crossdock::process::{Pool, SubmitError, TaskError};

use super::square;
use crate::support::call;

/// Has this process end after a while.
fn end_if_it_hangs() {
    // SAFETY: takes an integer; the signal's default is to end the process.
    unsafe { libc::alarm(30) };
}

/// Forks a child that runs `body`, and returns its exit code: 1 if `body` says false.
fn in_a_fork(body: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the child allocates, which glibc allows there, and takes no other lock of a thread
    // that it lacks.
    let child = unsafe { libc::fork() };
    if child == 0 {
        end_if_it_hangs();
        let code = if body() { 0 } else { 1 };
        // SAFETY: ends the child at once.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(ended, child);
    libc::WEXITSTATUS(status)
}

#[test]
fn a_fork_that_asks_for_progress_takes_no_reply_of_its_parent() {
    fn forks((): ()) -> (i32, Vec<u64>) {
        let pool = Pool::builder().workers(2).build().expect("built");
        let mut results = pool.options().in_flight(64).imap(square, 0..200);
        let first = results.next().expect("one").expect("a square");
        assert_eq!(first, 0);
        let code = in_a_fork(|| {
            for _ in 0..20_000 {
                let told = format!("{pool:?}");
                if pool.progress().in_flight != 0 || !told.contains("workers: 2") {
                    return false;
                }
            }
            pool.worker_ids().is_empty() && pool.wait_idle_timeout(super::NEVER)
        });
        (code, results.collect::<Result<_, _>>().expect("squares"))
    }
    let (code, squares) = call(forks, ()).expect("the parent had all its results");
    assert_eq!(code, 0);
    assert_eq!(squares, (1..200).map(|n| n * n).collect::<Vec<u64>>());
}

#[test]
fn a_fork_that_submits_is_refused_and_takes_no_place_of_a_worker() {
    fn forks((): ()) -> i32 {
        let pool = Pool::builder().workers(1).build().expect("built");
        in_a_fork(|| {
            // Each participant has a page of its segment, of which a fork has no copy.
            let memberships = || {
                let maps = std::fs::read_to_string("/proc/thread-self/maps").expect("/proc");
                maps.lines().filter(|line| line.contains(" ---s ")).count()
            };
            let before = memberships();
            let submitted = pool.submit(square, 3).err() == Some(SubmitError::Closed);
            let called = pool.call(square, 3) == Err(TaskError::Closed);
            let mapped = pool.map(square, [3, 4]).is_err();
            submitted && called && mapped && memberships() == before
        })
    }
    assert_eq!(call(forks, ()), Ok(0));
}

#[test]
fn a_fork_is_told_that_its_parents_tasks_are_closed() {
    fn forks((): ()) -> (i32, u64, usize) {
        let pool = Pool::builder().workers(1).build().expect("built");
        let submit = |number| pool.submit(square, number).expect("submitted");
        let mut results = pool.options().in_flight(8).imap(square, 0..20);
        assert_eq!(results.next(), Some(Ok(0)));
        let [mut asked, waited, completed] = [3, 4, 5].map(submit);
        // The child has copies of these.
        let kept = submit(6);
        // SAFETY: as in `in_a_fork`.
        let child = unsafe { libc::fork() };
        if child == 0 {
            end_if_it_hangs();
            let closed = Err(TaskError::Closed);
            let timed = asked.is_ready() && asked.attempts() == 1 && !asked.cancel();
            let timed = timed && asked.wait_timeout(super::NEVER) == Err(TaskError::Closed);
            let waited = waited.wait() == closed;
            let completed = crossdock::process::as_completed([completed]);
            let completed = completed.collect::<Vec<_>>() == [closed];
            let results: Vec<_> = results.by_ref().collect();
            let of_map = results.iter().filter(|result| result.is_err()).count();
            let code = i32::from(!(timed && waited && completed && of_map > 0));
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        let code = libc::WEXITSTATUS(status);
        (code, kept.wait().expect("a square"), results.count())
    }
    assert_eq!(call(forks, ()), Ok((0, 36, 19)));
}
