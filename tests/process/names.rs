//! Named segments that travel: the name goes with them.

use std::path::PathBuf;

use crossdock::segment::RemoveError;
use crossdock::{Counter, Segment, SegmentOptions};

use crate::support::call;

/// A name that is removed with its file, whatever becomes of the test.
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn new(what: &str) -> Self {
        Self(format!("test-travel-{what}-{}", std::process::id()))
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/dev/shm/crossdock.{}", self.0))
    }

    pub(crate) fn create(&self) -> Segment {
        SegmentOptions::new().create_new(&self.0).expect("made")
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(self.path());
    }
}

/// What a process knows of a segment's name, and whether it could remove it.
type Known = (Option<String>, Result<(), String>);

fn unlinks(segment: Segment) -> Known {
    let removed = segment.unlink().map_err(|error| error.to_string());
    (segment.name().map(str::to_owned), removed)
}

#[test]
fn a_worker_removes_the_name_of_its_parents_segment() {
    let name = Name::new("down");
    let segment = name.create();
    let known = call(unlinks, segment.clone()).expect("joined");
    assert_eq!(known, (Some(name.0.clone()), Ok(())));
    assert!(!name.path().exists());
    segment.unlink().expect("gone already");
}

#[test]
fn a_parent_removes_the_name_of_a_segment_that_a_worker_has_made() {
    let name = Name::new("up");
    let made = |name: String| SegmentOptions::new().create_new(&name).expect("made");
    let segment = call(made, name.0.clone()).expect("joined");
    assert_eq!(segment.name(), Some(name.0.as_str()));
    segment.unlink().expect("removed");
    assert!(!name.path().exists());
}

#[test]
fn the_name_goes_with_the_handle_of_an_entry_and_on_to_the_next_worker() {
    let name = Name::new("on");
    let segment = name.create();
    let anonymous = Segment::anonymous().expect("made");
    let counter = segment.create::<Counter>("total", 0).expect("created");
    let known = call(
        |(first, counter, segment): (Segment, Counter, Segment)| {
            counter.add(1);
            let next = call(|segment: Segment| segment, segment).expect("joined");
            (first.name().map(str::to_owned), unlinks(next))
        },
        (anonymous, counter.clone(), segment),
    );
    let expected = (None, (Some(name.0.clone()), Ok(())));
    assert_eq!(known.expect("joined"), expected);
    assert_eq!(counter.load(), 1);
    assert!(!name.path().exists());
}

#[test]
fn a_name_that_is_another_segments_by_now_does_not_travel() {
    let name = Name::new("other");
    let segment = name.create();
    std::fs::remove_file(name.path()).expect("removed");
    let other = name.create();
    let known = call(unlinks, segment.clone()).expect("joined");
    // Without a name there is nothing to remove.
    assert_eq!(known, (None, Ok(())));
    assert!(matches!(
        segment.unlink(),
        Err(RemoveError::OtherFile { .. })
    ));
    assert!(name.path().exists());
    drop(other);
}

#[test]
fn a_name_that_is_not_known_is_an_error_of_its_removal() {
    let (name, renamed) = (Name::new("before"), Name::new("after"));
    let segment = name.create();
    std::fs::rename(name.path(), renamed.path()).expect("renamed");
    assert!(matches!(segment.unlink(), Err(RemoveError::NameUnknown)));
    let known = call(unlinks, segment.clone()).expect("joined");
    let unknown = "the segment has a name in /dev/shm that this process does not know";
    assert_eq!(known, (None, Err(unknown.to_owned())));
    assert!(renamed.path().exists());
}

#[test]
fn a_segment_that_came_without_a_name_has_one_once_it_is_opened_by_it() {
    let (name, renamed) = (Name::new("first"), Name::new("second"));
    let segment = name.create();
    std::fs::rename(name.path(), renamed.path()).expect("renamed");
    let known = call(
        |(segment, name): (Segment, String)| {
            let before = segment.name().map(str::to_owned);
            let found = SegmentOptions::new().open(&name).expect("opened");
            (before, found.name().map(str::to_owned), unlinks(segment))
        },
        (segment, renamed.0.clone()),
    );
    let own = Some(renamed.0.clone());
    assert_eq!(known.expect("joined"), (None, own.clone(), (own, Ok(()))));
    assert!(!renamed.path().exists());
}
