//! Where processes run.

/// The cores of the parent and of its workers, or wherever the kernel puts them.
pub(crate) type Cores = Option<[usize; 2]>;

/// sched_setaffinity(2) of a process, or of this thread if it is 0.
fn set(process: i32, cores: impl IntoIterator<Item = usize>) {
    // SAFETY: a set of bits, of which all zeros is one.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for core in cores {
        // SAFETY: the set outlives the call; a core that it has no bit for is left out.
        unsafe { libc::CPU_SET(core, &mut set) };
    }
    // SAFETY: the set outlives the call, which only reads it.
    let done = unsafe { libc::sched_setaffinity(process, size_of_val(&set), &raw const set) };
    assert_eq!(done, 0, "the affinity of process {process} is not set");
}

/// Puts this thread on the parent's core, and the workers on theirs.
pub(crate) fn pin(cores: Cores, workers: impl IntoIterator<Item = i32>) {
    let Some([parent, others]) = cores else {
        return;
    };
    set(0, [parent]);
    for worker in workers {
        set(worker, [others]);
    }
}

/// Lets this thread run on every core again.
pub(crate) fn unpin() {
    set(0, 0..64);
}
