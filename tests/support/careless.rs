//! Other code of a process, which does to descriptors and mappings what it likes.
#![expect(dead_code, reason = "each test crate uses its part of it")]

use crossdock::Segment;

use super::process::{Child, Line, child};

#[path = "unmap.rs"]
mod unmap;

/// Unused on purpose: there is always something here that some test crate has no need of.
const NOT_ALL_OF_IT: () = ();

/// Takes its membership from this process.
pub(crate) fn lose_membership(segment: &Segment) {
    unmap::unmap_lock(segment).unwrap();
}

pub(crate) fn close_all_from_3() {
    // SAFETY: what a careless library does to descriptors that are not its own.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
    assert_eq!(result, 0, "close_range");
}

/// A process that was reaped and does not know it: a child that does something as a participant, loses
/// its membership, is reaped, and does something else as soon as it is [told to](Self::go_on).
pub(crate) struct Reaped {
    pub(crate) child: Child,
    line: Line,
    go: Line,
}

impl Reaped {
    /// `before` and `after` run in the child, and what the first returns is kept for the second.
    pub(crate) fn after<K>(
        segment: &Segment,
        before: impl FnOnce() -> K,
        after: impl FnOnce(K),
    ) -> Self {
        let (line, go) = (Line::new(), Line::new());
        let child = child(|| {
            let kept = before();
            lose_membership(segment);
            line.say(1);
            go.hear();
            after(kept);
            line.say(1);
            go.hear();
        });
        line.hear();
        // Beside those that have ended before.
        assert!(segment.reap().freed >= 1);
        Self { child, line, go }
    }

    /// Has it do what it does afterwards, and waits until that is done.
    pub(crate) fn goes_on(&self) {
        self.go.say(1);
        self.line.hear();
    }

    /// Lets it end.
    pub(crate) fn ends(self) {
        self.go.say(1);
        self.child.join();
    }
}
