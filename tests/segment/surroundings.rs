//! Machines that lack something: permissions, room, /proc.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crossdock::segment::{
    CreateError, EntryError, Fault, Limit, MembershipError, OpenError, RemoveError,
};
use crossdock::sync::LockError;
use crossdock::{Counter, Mutex, SegmentOptions, ShardedCounter};

use crate::chain;
use crate::support::names::Unique;
use crate::support::process::{in_child, leaves_nothing, write_error};

const NOBODY: u32 = 65_534;

/// Whether the tests run as root; says so when they do not.
fn root(what: &str) -> bool {
    // SAFETY: has no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        write_error(&format!("skipped, needs root: {what}\n"));
    }
    root
}

fn become_nobody() {
    // SAFETY: changes who this child is.
    assert_eq!(unsafe { libc::setgid(NOBODY) }, 0);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::setuid(NOBODY) }, 0);
}

#[test]
fn a_segment_without_permission_is_refused() {
    if !root("another user") {
        return;
    }
    let name = Unique::new();
    let _segment = SegmentOptions::new().create_new(&name).unwrap();
    leaves_nothing(|| {
        become_nobody();
        let error = SegmentOptions::new().owner(0).open(&name).unwrap_err();
        assert_eq!(
            chain(&error),
            format!(
                "segment {:?}: no permission to open it: opening the file failed: Permission denied (os error 13)",
                &*name
            )
        );
        assert!(matches!(error, OpenError::Permission { .. }));
        let error = SegmentOptions::new().create_new(&name).unwrap_err();
        assert!(matches!(error, CreateError::Exists { .. }), "{error:?}");
    });
}

#[test]
fn another_users_segment_is_opened_only_by_who_expects_that_user() {
    if !root("another user") {
        return;
    }
    let name = Unique::new();
    let segment = SegmentOptions::new().mode(0o666).create_new(&name).unwrap();
    segment.create::<Mutex<u64>>("m", 7).unwrap();
    in_child(|| {
        become_nobody();
        let error = SegmentOptions::new().open(&name).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "segment {:?}: expected a segment of user 65534, found one of user 0",
                &*name
            )
        );
        let other = SegmentOptions::new().owner(0).open(&name).unwrap();
        assert_eq!(*other.open::<Mutex<u64>>("m").unwrap().lock().unwrap(), 7);
        assert_eq!(other.participants().len(), 2);
        assert!(other.participants().iter().all(|p| p.alive));
    });
}

#[test]
fn a_segment_that_was_planted_by_another_user_is_refused() {
    if !root("another user") {
        return;
    }
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    chown(name.path(), Some(NOBODY), None).unwrap();
    drop(segment);
    let error = SegmentOptions::new().open(&name).unwrap_err();
    assert!(matches!(
        error,
        OpenError::OtherOwner {
            expected: 0,
            found: NOBODY,
            ..
        }
    ));
    assert!(SegmentOptions::new().owner(NOBODY).open(&name).is_ok());
}

#[test]
fn a_name_that_another_user_has_cannot_be_unlinked() {
    if !root("another user") {
        return;
    }
    let name = Unique::new();
    let _segment = SegmentOptions::new().mode(0o666).create_new(&name).unwrap();
    in_child(|| {
        become_nobody();
        let other = SegmentOptions::new().owner(0).open(&name).unwrap();
        let error = other.unlink().unwrap_err();
        assert!(
            matches!(
                error,
                RemoveError::Permission { .. } | RemoveError::System { .. }
            ),
            "{error:?}"
        );
    });
    assert!(name.is_taken());
}

/// mount(2), with the options as the file system reads them.
fn mount(filesystem: &str, target: &str, flags: libc::c_ulong, options: &str) -> bool {
    let text = |text: &str| CString::new(text).unwrap();
    let (source, target, kind, data) =
        (text("none"), text(target), text(filesystem), text(options));
    // SAFETY: the strings outlive the call, which changes only this child's mounts.
    let result = unsafe {
        libc::mount(
            source.as_ptr(),
            target.as_ptr(),
            kind.as_ptr(),
            flags,
            data.as_ptr().cast(),
        )
    };
    result == 0
}

/// Gives this child mounts of its own; false if it must not.
fn own_mounts() -> bool {
    // SAFETY: changes the namespaces of this child only.
    let made = unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0;
    if !made || !mount("none", "/", libc::MS_REC | libc::MS_PRIVATE, "") {
        write_error("skipped, needs mounts of its own\n");
        return false;
    }
    true
}

#[test]
fn a_full_dev_shm_is_an_error_at_create_that_names_the_limit() {
    in_child(|| {
        if !own_mounts() || !mount("tmpfs", "/dev/shm", 0, "size=256k") {
            return;
        }
        let name = Unique::new();
        let error = SegmentOptions::new().create_new(&name).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a size of at most 262144 bytes (free space in /dev/shm), found 1048576"
        );
        assert!(matches!(
            error,
            CreateError::TooLarge {
                limit: Limit::FileSystem,
                available: 262_144,
                ..
            }
        ));
        assert!(!name.is_taken());
        let fits = SegmentOptions::new()
            .size(1 << 17)
            .create_new(&name)
            .unwrap();
        let rest = Unique::new();
        let error = SegmentOptions::new().size(1 << 18).create_new(&rest);
        assert!(matches!(
            error.unwrap_err(),
            CreateError::TooLarge {
                available: 131_072,
                ..
            }
        ));
        assert!(!rest.is_taken());
        assert_eq!(fits.create::<Counter>("c", 3).unwrap().load(), 3);
    });
}

#[test]
fn a_dev_shm_without_inodes_left_is_an_error_at_create() {
    in_child(|| {
        if !own_mounts() || !mount("tmpfs", "/dev/shm", 0, "size=4m,nr_inodes=2") {
            return;
        }
        let (first, second) = (Unique::new(), Unique::new());
        let kept = SegmentOptions::new().create_new(&first);
        let error = SegmentOptions::new().create_new(&second).unwrap_err();
        assert!(
            chain(&error).contains("No space left on device"),
            "{error:?}"
        );
        assert!(!second.is_taken());
        drop(kept);
    });
}

#[test]
fn a_dev_shm_that_nobody_may_write_to_is_an_error_at_create() {
    in_child(|| {
        if !own_mounts() || !mount("tmpfs", "/dev/shm", 0, "size=4m,mode=0755") {
            return;
        }
        become_nobody();
        let name = Unique::new();
        let error = SegmentOptions::new().create_new(&name).unwrap_err();
        assert_eq!(
            chain(&error),
            "creating a file in /dev/shm failed: Permission denied (os error 13)"
        );
        assert!(matches!(error, CreateError::Permission { .. }));
    });
}

#[test]
fn a_dev_shm_that_cannot_be_written_to_is_an_error_at_create() {
    in_child(|| {
        if !own_mounts() || !mount("tmpfs", "/dev/shm", libc::MS_RDONLY, "size=4m") {
            return;
        }
        let error = SegmentOptions::new()
            .create_new(&Unique::new())
            .unwrap_err();
        assert_eq!(
            chain(&error),
            "creating a file in /dev/shm failed: Read-only file system (os error 30)"
        );
    });
}

/// chroot(2) into a place where there is nothing; false if it must not.
fn into_nothing() -> bool {
    let folder = std::env::temp_dir().join(format!("crossdock-root-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let path = CString::new(folder.clone().into_os_string().into_encoded_bytes()).unwrap();
    // SAFETY: the path outlives the call.
    let inside = unsafe { libc::chdir(path.as_ptr()) } == 0;
    fs::remove_dir(&folder).unwrap();
    // SAFETY: the path outlives the call, which changes this child's root only.
    inside && unsafe { libc::chroot(c".".as_ptr()) } == 0
}

#[test]
fn without_proc_and_dev_shm_a_named_segment_is_an_error() {
    if !root("chroot") {
        return;
    }
    in_child(|| {
        assert!(into_nothing());
        let error = SegmentOptions::new().create_new("x").unwrap_err();
        assert_eq!(
            chain(&error),
            "creating a file in /dev/shm failed: No such file or directory (os error 2)"
        );
        let error = SegmentOptions::new().open("x").unwrap_err();
        assert!(matches!(error, OpenError::NotFound { .. }));
    });
}

#[test]
fn without_proc_an_anonymous_segment_can_be_looked_at_and_not_joined() {
    if !root("chroot") {
        return;
    }
    let outside = SegmentOptions::new().anonymous().unwrap();
    let mutex = outside.create::<Mutex<u64>>("m", 7).unwrap();
    let sharded = outside.create::<ShardedCounter>("s", ()).unwrap();
    in_child(|| {
        assert!(into_nothing());
        let made = SegmentOptions::new().anonymous().unwrap();
        let text = "reopening the segment through /proc/thread-self/fd failed: \
                    No such file or directory (os error 2)";
        let error = made.create::<Counter>("c", 1).unwrap_err();
        assert_eq!(chain(&error), text);
        assert!(matches!(
            error,
            EntryError::Fault(Fault::NotMember(MembershipError::System(_)))
        ));
        let error = mutex.lock().unwrap_err();
        assert_eq!(chain(&error), text);
        assert!(matches!(error, LockError::Fault(Fault::NotMember(_))));
        assert_eq!(outside.participants().len(), 1);
        assert!(outside.participants()[0].alive);
        sharded.add(5);
    });
    assert_eq!(sharded.load(), 5);
}

#[test]
fn without_proc_a_named_segment_is_joined_through_its_path() {
    if !root("mounts") {
        return;
    }
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 7).unwrap();
    in_child(|| {
        if !own_mounts() || !mount("tmpfs", "/proc", 0, "size=64k") {
            return;
        }
        *mutex.lock().unwrap() += 1;
        assert_eq!(segment.participants().len(), 2);
        let own: Vec<_> = segment.participants();
        let own = own.iter().find(|p| p.is_self).unwrap();
        assert_eq!((own.start_time, own.pid_namespace), (0, 0));
        let opened = SegmentOptions::new().open(&name).unwrap();
        assert_eq!(*opened.open::<Mutex<u64>>("m").unwrap().lock().unwrap(), 8);
        let error = SegmentOptions::new()
            .create_new(&Unique::new())
            .unwrap_err();
        assert!(
            error.to_string().starts_with(
                "linking the segment into /dev/shm, through /proc/thread-self/fd failed"
            ),
            "{error}"
        );
    });
}

#[test]
fn without_a_path_of_its_own_any_more_joining_without_proc_is_an_error() {
    if !root("mounts") {
        return;
    }
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let mutex = segment.create::<Mutex<u64>>("m", 7).unwrap();
    segment.unlink().unwrap();
    let _other = SegmentOptions::new().create_new(&name).unwrap();
    in_child(|| {
        if !own_mounts() || !mount("tmpfs", "/proc", 0, "size=64k") {
            return;
        }
        let error = mutex.lock().unwrap_err();
        assert!(
            chain(&error).ends_with("(os error 116)"), // ESTALE: another file stands there
            "{error}"
        );
    });
}

#[test]
fn too_many_open_files_are_an_error_of_each_step() {
    leaves_nothing(|| {
        let before = SegmentOptions::new().anonymous().unwrap();
        let limit = |files| {
            let limit = libc::rlimit {
                rlim_cur: files,
                rlim_max: 4096,
            };
            // SAFETY: the limit outlives the call, and this child's limits are its own.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
        };
        limit(0);
        let error = SegmentOptions::new().anonymous().unwrap_err();
        assert!(chain(&error).contains("Too many open files"), "{error}");
        let error = SegmentOptions::new().create_new("x").unwrap_err();
        assert!(chain(&error).contains("Too many open files"), "{error}");
        let error = SegmentOptions::new().open("x").unwrap_err();
        assert!(chain(&error).contains("Too many open files"), "{error}");
        let error = before.create::<Counter>("c", 1).unwrap_err();
        assert!(matches!(
            error,
            EntryError::Fault(Fault::NotMember(MembershipError::System(_)))
        ));
        limit(1024);
        assert_eq!(before.create::<Counter>("c", 1).unwrap().load(), 1);
    });
}

#[test]
fn too_little_address_space_is_an_error() {
    leaves_nothing(|| {
        let limit = libc::rlimit {
            rlim_cur: 1 << 20,
            rlim_max: 1 << 20,
        };
        // SAFETY: the limit outlives the call, and this child's limits are its own.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
        let name = Unique::new();
        let options = SegmentOptions::new().size(1 << 23);
        let error = options.create_new(&name).unwrap_err();
        assert_eq!(
            chain(&error),
            "mmap of the segment failed: Cannot allocate memory (os error 12)"
        );
        assert!(!name.is_taken());
        let error = options.anonymous().unwrap_err();
        assert!(matches!(error, CreateError::System { .. }));
    });
}

#[test]
fn a_mode_that_the_owner_changed_later_is_the_owners_business() {
    if !root("another user") {
        return;
    }
    let name = Unique::new();
    let _segment = SegmentOptions::new().create_new(&name).unwrap();
    fs::set_permissions(name.path(), fs::Permissions::from_mode(0o444)).unwrap();
    in_child(|| {
        become_nobody();
        let error = SegmentOptions::new().owner(0).open(&name).unwrap_err();
        assert!(matches!(error, OpenError::Permission { .. }));
    });
}
