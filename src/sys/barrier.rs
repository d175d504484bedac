//! membarrier(2): a full barrier in every process that has asked for them, paid by one.

use std::sync::OnceLock;

/// membarrier(2), `MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED`: from now on, this process takes part in
/// the barriers of others. False if the kernel knows no such thing, or a filter forbids it.
pub(crate) fn take_part() -> bool {
    static TAKES_PART: OnceLock<bool> = OnceLock::new();
    *TAKES_PART.get_or_init(|| command(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED))
}

/// membarrier(2), `MEMBARRIER_CMD_GLOBAL_EXPEDITED`: when it returns, every running thread of the
/// processes that take part has executed a full barrier since the call, and those that do not run
/// did when they were switched out. False if there was none.
pub(crate) fn everywhere() -> bool {
    command(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

fn command(command: libc::c_int) -> bool {
    // SAFETY: membarrier takes integers and touches no memory.
    (unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_part_can_have_barriers() {
        if take_part() {
            assert!(everywhere());
        }
    }
}
