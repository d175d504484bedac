//! How much may be allocated, asked before anything is.
//!
//! An unchecked memory file of a terabyte does not fail: it has the machine's processes killed one
//! by one. So every limit that can be read is read first. A limit that cannot be read (no /proc,
//! another cgroup layout) does not refuse.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{clock, descriptor};

/// A limit that refused a size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Limit {
    /// `RLIMIT_FSIZE`, the largest file that this process may make; passing it kills.
    FileSize,
    /// The free space of the file system under /dev/shm.
    FileSystem,
    /// The memory that a cgroup above this process may still use.
    CgroupMemory,
    /// `MemAvailable`, what the machine can give without swapping.
    AvailableMemory,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileSize => "the file size limit, RLIMIT_FSIZE",
            Self::FileSystem => "free space in /dev/shm",
            Self::CgroupMemory => "the memory limit of the cgroup",
            Self::AvailableMemory => "available memory",
        })
    }
}

/// The tightest limit, if `len` bytes would pass it, and what it still allows.
///
/// Memory is read from dozens of files in /proc and /sys, so it is looked at anew only where that
/// can make a difference: see [`Look`].
pub(crate) fn refusal(len: u64, filesystem: Option<&Path>) -> Option<(Limit, u64)> {
    static LOOK: Look = Look::new();
    let now = clock::monotonic_coarse();
    let quick = [
        (Limit::FileSize, file_size()),
        (Limit::FileSystem, filesystem.and_then(free_space)),
    ];
    let fits = |(_, available): &(Limit, Option<u64>)| available.is_none_or(|most| len <= most);
    if quick.iter().all(fits) && LOOK.covers(len, now) {
        return None;
    }
    let memory = [
        (
            Limit::CgroupMemory,
            cgroup_memory(Path::new("/proc/thread-self/cgroup"), "/sys/fs/cgroup"),
        ),
        (
            Limit::AvailableMemory,
            read("/proc/meminfo").and_then(|text| available_memory(&text)),
        ),
    ];
    LOOK.remember(least(memory).map(|(_, available)| available), len, now);
    least(quick.into_iter().chain(memory)).filter(|(_, available)| len > *available)
}

/// The limit that allows the least, of those that could be read.
fn least(limits: impl IntoIterator<Item = (Limit, Option<u64>)>) -> Option<(Limit, u64)> {
    let read = limits
        .into_iter()
        .filter_map(|(limit, available)| Some((limit, available?)));
    read.min_by_key(|(_, available)| *available)
}

/// What the last look at the memory allowed: a hundredth of it, once, for a second.
///
/// All that is made on the strength of one look is less than a hundredth of what there was, so a
/// look in between would have refused it only if others had taken the rest meanwhile, and those
/// could have taken it right after that look as well.
struct Look {
    /// Bytes that may be made before the next look.
    spare: AtomicU64,
    /// When it was, in nanoseconds of the monotonic clock.
    at: AtomicU64,
}

impl Look {
    const SHARE: u64 = 100;
    const STAYS: Duration = Duration::from_secs(1);

    const fn new() -> Self {
        Self {
            spare: AtomicU64::new(0),
            at: AtomicU64::new(0),
        }
    }

    /// Whether `len` bytes are within what the last look allowed; they are taken off it.
    fn covers(&self, len: u64, now: Duration) -> bool {
        // ORDERING: Relaxed; two numbers that both err by one look at most, here and in `remember`.
        let at = Duration::from_nanos(self.at.load(Relaxed));
        let is_fresh = now.checked_sub(at).is_some_and(|age| age < Self::STAYS);
        let take = |spare: u64| spare.checked_sub(len);
        is_fresh && self.spare.fetch_update(Relaxed, Relaxed, take).is_ok()
    }

    /// Notes what a look for `len` bytes has found; what could not be read does not limit.
    fn remember(&self, available: Option<u64>, len: u64, now: Duration) {
        let left = available.unwrap_or(u64::MAX).saturating_sub(len);
        self.spare.store(left / Self::SHARE, Relaxed);
        let now = u64::try_from(now.as_nanos()).unwrap_or(0);
        self.at.store(now, Relaxed);
    }
}

/// [`Limit::FileSize`] alone, if `len` bytes would pass it: one system call.
#[cfg(feature = "process")]
pub(crate) fn file_size_refusal(len: u64) -> Option<(Limit, u64)> {
    file_size()
        .filter(|available| len > *available)
        .map(|available| (Limit::FileSize, available))
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    descriptor::read_text(path.as_ref()).ok()
}

/// getrlimit(2), `RLIMIT_FSIZE`.
fn file_size() -> Option<u64> {
    nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_FSIZE)
        .ok()
        .map(|(soft, _)| soft)
}

/// statvfs(3).
fn free_space(path: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(path).ok()?;
    // A file system without a size, such as a tmpfs with size=0, has no blocks at all.
    (stat.blocks() > 0).then(|| stat.blocks_available().saturating_mul(stat.fragment_size()))
}

fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// The kills for want of memory that the cgroup of this process has counted, with those below it;
/// `None` if it does not count.
#[cfg(feature = "process")]
pub(crate) fn oom_kills() -> Option<u64> {
    counted_kills(Path::new("/proc/thread-self/cgroup"), "/sys/fs/cgroup")
}

#[cfg(feature = "process")]
fn counted_kills(of_process: &Path, mount: &str) -> Option<u64> {
    let (v2, v1) = groups(of_process)?;
    let mount = Path::new(mount);
    let count = |root: PathBuf, group: String, file: &str| {
        let text = read(root.join(group.trim_start_matches('/')).join(file))?;
        let mut lines = text.lines();
        lines
            .find_map(|line| line.strip_prefix("oom_kill "))?
            .trim()
            .parse()
            .ok()
    };
    v2.and_then(|group| count(mount.to_owned(), group, "memory.events"))
        .or_else(|| count(mount.join("memory"), v1?, "memory.oom_control"))
}

/// The cgroups of a process in both versions, from the text of its file in /proc.
fn groups(of_process: &Path) -> Option<(Option<String>, Option<String>)> {
    let text = read(of_process)?;
    let v2 = text.lines().find_map(|line| line.strip_prefix("0::"));
    let v1 = text.lines().find_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        controllers
            .split(',')
            .any(|name| name == "memory")
            .then_some(group)
    });
    Some((v2.map(str::to_owned), v1.map(str::to_owned)))
}

/// The memory files of one version of cgroups.
struct Files {
    max: &'static str,
    current: &'static str,
    /// The line of `memory.stat` with the cached file pages that the kernel drops first.
    cached: &'static str,
}

const V2: Files = Files {
    max: "memory.max",
    current: "memory.current",
    cached: "inactive_file",
};
const V1: Files = Files {
    max: "memory.limit_in_bytes",
    current: "memory.usage_in_bytes",
    cached: "total_inactive_file",
};

/// The least that any cgroup from this process's up to the root still allows.
fn cgroup_memory(of_process: &Path, mount: &str) -> Option<u64> {
    let (v2, v1) = groups(of_process)?;
    let mount = Path::new(mount);
    let v2 = v2.and_then(|group| least_left(mount.to_owned(), &group, &V2));
    let v1 = v1.and_then(|group| least_left(mount.join("memory"), &group, &V1));
    v2.into_iter().chain(v1).min()
}

fn least_left(root: PathBuf, group: &str, files: &Files) -> Option<u64> {
    let number = |path: PathBuf| read(path)?.trim().parse::<u64>().ok();
    let cached = |folder: &Path| {
        let text = read(folder.join("memory.stat"))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(files.cached)?.strip_prefix(' '))?;
        line.trim().parse::<u64>().ok()
    };
    root.join(group.trim_start_matches('/'))
        .ancestors()
        .take_while(|folder| folder.starts_with(&root))
        .filter_map(|folder| {
            let max = number(folder.join(files.max))?;
            let used = number(folder.join(files.current)).unwrap_or(0);
            Some(max.saturating_sub(used.saturating_sub(cached(folder).unwrap_or(0))))
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn available_memory_is_read_in_bytes() {
        let text = "MemTotal: 9 kB\nMemFree:  1 kB\nMemAvailable:      42 kB\n";
        assert_eq!(available_memory(text), Some(42 * 1024));
        assert_eq!(available_memory("MemTotal: 9 kB"), None);
        assert_eq!(available_memory("MemAvailable: x kB"), None);
    }

    fn tree(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root =
            std::env::temp_dir().join(format!("crossdock-cgroup-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn the_tightest_cgroup_on_the_way_up_decides() {
        let root = tree(
            "v2",
            &[
                ("self", "0::/a/b\n"),
                ("cg/a/memory.max", "1000\n"),
                ("cg/a/memory.current", "950\n"),
                ("cg/a/memory.stat", "anon 7\ninactive_file 50\n"),
                ("cg/a/b/memory.max", "max\n"),
                ("cg/a/b/memory.current", "1\n"),
            ],
        );
        let mount = root.join("cg");
        let found = cgroup_memory(&root.join("self"), mount.to_str().unwrap());
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, Some(100));
    }

    #[cfg(feature = "process")]
    #[test]
    fn kills_for_want_of_memory_are_read_from_either_version() {
        let root = tree(
            "kills",
            &[
                ("self", "4:cpu,memory:/old\n0::/new\n"),
                ("bare", "4:cpu,memory:/old\n0::/bare\n"),
                ("cg/new/memory.events", "low 0\noom 4\noom_kill 3\n"),
                (
                    "cg/memory/old/memory.oom_control",
                    "oom_kill_disable 0\nunder_oom 0\noom_kill 7\n",
                ),
            ],
        );
        let mount = root.join("cg");
        let kills = |of| counted_kills(&root.join(of), mount.to_str().unwrap());
        let found = ["self", "bare", "none"].map(kills);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, [Some(3), Some(7), None]);
    }

    #[test]
    fn the_first_version_of_cgroups_is_read_too() {
        let root = tree(
            "v1",
            &[
                ("self", "5:cpu:/x\n4:memory,hugetlb:/a\n"),
                ("cg/memory/a/memory.limit_in_bytes", "500\n"),
                ("cg/memory/a/memory.usage_in_bytes", "600\n"),
            ],
        );
        let mount = root.join("cg");
        let found = cgroup_memory(&root.join("self"), mount.to_str().unwrap());
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, Some(0));
    }

    #[test]
    fn a_limit_that_cannot_be_read_does_not_refuse() {
        assert_eq!(
            cgroup_memory(Path::new("/nonexistent"), "/nonexistent"),
            None
        );
        assert_eq!(refusal(1, None), None);
    }

    #[test]
    fn a_look_covers_a_hundredth_of_what_it_found_for_a_second() {
        let look = Look::new();
        let second = |at: u64| Duration::from_secs(100 + at);
        assert!(!look.covers(1, second(0)), "before the first look");
        look.remember(Some(10_000 + 50), 50, second(0));
        assert!(!look.covers(101, second(0)), "more than a hundredth");
        assert!(look.covers(60, second(0)));
        assert!(!look.covers(60, second(0)), "with what was made before");
        assert!(look.covers(40, second(0)));
        assert!(!look.covers(1, second(0)));
        look.remember(Some(10_000), 0, second(0));
        assert!(!look.covers(1, second(1)), "too old");
        look.remember(Some(10_000), 0, second(5));
        assert!(!look.covers(1, second(4)), "in a time to come");
        look.remember(Some(99), 0, second(5));
        assert!(!look.covers(1, second(5)), "a hundredth of nearly nothing");
    }

    #[test]
    fn the_tightest_limit_is_named() {
        let limits = [
            (Limit::FileSize, Some(7)),
            (Limit::FileSystem, None),
            (Limit::CgroupMemory, Some(5)),
            (Limit::AvailableMemory, Some(6)),
        ];
        assert_eq!(least(limits), Some((Limit::CgroupMemory, 5)));
        assert_eq!(least([(Limit::FileSystem, None)]), None);
    }

    #[test]
    fn an_absurd_size_is_refused_with_the_limit_named() {
        let (limit, available) = refusal(u64::MAX, Some(Path::new("/dev/shm"))).unwrap();
        assert_ne!(limit, Limit::FileSize);
        assert!(available < u64::MAX);
    }
}
