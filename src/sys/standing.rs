//! What a process passes on to its children and no request can: its rights, limits and place.
//!
//! Compared with what it was when a helper process was started, it says whether the helper's
//! children are still as this process's own would be.

use std::io;
use std::os::unix::fs::MetadataExt;

use super::checked;

/// The number of resource limits.
const LIMITS: usize = 16;

/// The rights, limits and place of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Real, effective and saved.
    users: [libc::uid_t; 3],
    groups: [libc::gid_t; 3],
    supplementary: Vec<libc::gid_t>,
    /// Effective, permitted and inheritable, in two halves.
    capabilities: [u32; 6],
    /// Secure bits, no_new_privs, and whether system calls are filtered.
    flags: [libc::c_int; 3],
    /// Process group and session.
    place: [libc::pid_t; 2],
    limits: [(libc::rlim_t, libc::rlim_t); LIMITS],
    /// The root directory.
    root: (u64, u64),
}

impl Standing {
    /// Asks the kernel, for the calling thread.
    pub(crate) fn current() -> io::Result<Self> {
        let root = std::fs::metadata("/")?;
        Ok(Self {
            users: users()?,
            groups: groups()?,
            supplementary: supplementary()?,
            capabilities: capabilities()?,
            flags: [
                libc::PR_GET_SECUREBITS,
                libc::PR_GET_NO_NEW_PRIVS,
                libc::PR_GET_SECCOMP,
            ]
            // SAFETY: each takes integers and returns a number, or -1 where it is not known.
            .map(|what| unsafe { libc::prctl(what, 0, 0, 0, 0) }),
            place: place(),
            limits: limits(),
            root: (root.dev(), root.ino()),
        })
    }
}

/// getresuid(2).
fn users() -> io::Result<[libc::uid_t; 3]> {
    let (mut real, mut effective, mut saved) = (0, 0, 0);
    // SAFETY: three places that outlive the call.
    let asked = unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) };
    checked(asked).map(|_| [real, effective, saved])
}

/// getresgid(2).
fn groups() -> io::Result<[libc::gid_t; 3]> {
    let (mut real, mut effective, mut saved) = (0, 0, 0);
    // SAFETY: three places that outlive the call.
    let asked = unsafe { libc::getresgid(&raw mut real, &raw mut effective, &raw mut saved) };
    checked(asked).map(|_| [real, effective, saved])
}

/// getgroups(2).
fn supplementary() -> io::Result<Vec<libc::gid_t>> {
    loop {
        // SAFETY: with no room it only counts.
        let count = checked(unsafe { libc::getgroups(0, std::ptr::null_mut()) })?;
        let mut groups = vec![0; usize::try_from(count).unwrap_or(0)];
        // SAFETY: there is room for as many as are said.
        let got = unsafe { libc::getgroups(count, groups.as_mut_ptr()) };
        if got == count {
            return Ok(groups);
        }
        // Another thread has changed them meanwhile, or it is an error.
        checked(got)?;
    }
}

/// capget(2), of the calling thread.
fn capabilities() -> io::Result<[u32; 6]> {
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = [VERSION_3, 0];
    let mut halves = [0_u32; 6];
    // SAFETY: a version and a pid, and room for two structures of three numbers.
    let asked =
        unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), halves.as_mut_ptr()) };
    checked(libc::c_int::try_from(asked).unwrap_or(-1)).map(|_| halves)
}

/// getpgid(2), getsid(2).
fn place() -> [libc::pid_t; 2] {
    // SAFETY: takes an integer; 0 is this process.
    let group = unsafe { libc::getpgid(0) };
    // SAFETY: as above.
    [group, unsafe { libc::getsid(0) }]
}

/// getrlimit(2), for all of them.
fn limits() -> [(libc::rlim_t, libc::rlim_t); LIMITS] {
    let mut limits = [(0, 0); LIMITS];
    for (resource, limit) in (0..).zip(&mut limits) {
        let mut asked = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `asked` outlives the call. A limit that the kernel does not know stays 0.
        unsafe { libc::getrlimit(resource, &raw mut asked) };
        *limit = (asked.rlim_cur, asked.rlim_max);
    }
    limits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_until_a_limit_is_lowered() {
        let before = Standing::current().unwrap();
        assert_eq!(before, Standing::current().unwrap());
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` outlives the call.
        unsafe { libc::getrlimit(libc::RLIMIT_MSGQUEUE, &raw mut limit) };
        let soft = limit.rlim_cur;
        limit.rlim_cur = soft.saturating_sub(1);
        // SAFETY: as above; nothing here uses message queues.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_MSGQUEUE, &raw const limit) };
        assert_eq!(set, 0);
        let after = Standing::current().unwrap();
        limit.rlim_cur = soft;
        // SAFETY: as above.
        unsafe { libc::setrlimit(libc::RLIMIT_MSGQUEUE, &raw const limit) };
        assert_eq!(before != after, soft > 0);
        assert_eq!(before, Standing::current().unwrap());
    }
}
