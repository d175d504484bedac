//! Names that cannot be a segment's or an entry's.

use crossdock::segment::{
    CreateError, EntryError, NameError, OpenError, OpenOrCreateError, RemoveError,
};
use crossdock::{Counter, Segment, SegmentOptions};

use crate::chain;
use crate::support::image;
use crate::support::names::Unique;
use crate::support::process::{in_child, leaves_nothing};

/// Names that nothing can have, what is said of each, and how.
fn bad(max: usize) -> Vec<(String, NameError, String)> {
    let long = max + 1;
    let forbidden = |character| NameError::Forbidden { character };
    let texts = [
        (
            String::new(),
            NameError::Empty,
            "expected a name, found an empty one".to_owned(),
        ),
        (
            "x".repeat(long),
            NameError::TooLong { len: long, max },
            format!("expected a name of at most {max} bytes, found {long}"),
        ),
        (
            "ä".repeat(long / 2 + 1),
            NameError::TooLong {
                len: (long / 2 + 1) * 2,
                max,
            },
            format!(
                "expected a name of at most {max} bytes, found {}",
                (long / 2 + 1) * 2
            ),
        ),
        (
            "a/b".to_owned(),
            forbidden('/'),
            "expected a name without '/' and NUL, found '/'".to_owned(),
        ),
        (
            "../crossdock".to_owned(),
            forbidden('/'),
            "expected a name without '/' and NUL, found '/'".to_owned(),
        ),
        (
            "a\0b".to_owned(),
            forbidden('\0'),
            "expected a name without '/' and NUL, found '\\0'".to_owned(),
        ),
    ];
    let mut bad = texts.to_vec();
    for dots in [".", ".."] {
        let text = "expected a name other than \".\" and \"..\"".to_owned();
        bad.push((dots.to_owned(), NameError::Dots, text));
    }
    bad
}

const SEGMENT_MAX: usize = 245;
const ENTRY_MAX: usize = 64;

#[test]
fn a_bad_segment_name_is_refused_at_create() {
    leaves_nothing(|| {
        for (name, expected, text) in bad(SEGMENT_MAX) {
            let error = SegmentOptions::new().create_new(&name).unwrap_err();
            assert_eq!(
                chain(&error),
                format!("the name is not valid for a segment: {text}")
            );
            assert!(matches!(error, CreateError::Name(found) if found == expected));
        }
    });
}

#[test]
fn a_bad_segment_name_is_refused_at_open() {
    leaves_nothing(|| {
        for (name, expected, text) in bad(SEGMENT_MAX) {
            let error = SegmentOptions::new().open(&name).unwrap_err();
            let words = format!("segment {name:?}: the name is not valid for a segment: {text}");
            assert_eq!(chain(&error), words);
            let error = SegmentOptions::remove(&name).unwrap_err();
            assert_eq!(chain(&error), words);
            let error = SegmentOptions::new().open(&name).unwrap_err();
            assert!(matches!(error, OpenError::Name { source: found, .. } if found == expected));
        }
    });
}

#[test]
fn a_bad_segment_name_is_refused_at_open_or_create() {
    leaves_nothing(|| {
        for (name, expected, _) in bad(SEGMENT_MAX) {
            let error = SegmentOptions::new().open_or_create(&name).unwrap_err();
            assert!(
                matches!(&error, OpenOrCreateError::Open(OpenError::Name { source, .. }) if *source == expected),
                "{error:?}"
            );
        }
    });
}

#[test]
fn a_bad_entry_name_is_refused_and_the_directory_stays_as_it_was() {
    let segment = Segment::anonymous().unwrap();
    for (name, expected, text) in bad(ENTRY_MAX) {
        let errors = [
            segment.create::<Counter>(&name, 1).unwrap_err(),
            segment.open::<Counter>(&name).unwrap_err(),
            segment.open_or_create::<Counter>(&name, 1).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(
                chain(&error),
                format!("the name is not valid for an entry: {text}")
            );
            assert!(matches!(&error, EntryError::Name(found) if *found == expected));
        }
    }
    assert_eq!(segment.entries().unwrap(), []);
}

#[test]
fn the_longest_entry_name_and_any_letters_are_taken() {
    let segment = Segment::anonymous().unwrap();
    let longest = "x".repeat(ENTRY_MAX);
    for name in [longest.as_str(), "...", " ", "\u{1f980}", "a\nb", "-"] {
        segment.create::<Counter>(name, 7).unwrap();
        assert_eq!(segment.open::<Counter>(name).unwrap().load(), 7, "{name:?}");
    }
    let names: Vec<String> = segment
        .entries()
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert_eq!(names, [&longest, "...", " ", "\u{1f980}", "a\nb", "-"]);
}

#[test]
fn the_longest_segment_name_is_taken() {
    let unique = Unique::new();
    let name = format!("{}{}", &*unique, "x".repeat(SEGMENT_MAX - unique.len()));
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let (shown, there) = (segment.name().map(str::to_owned), {
        SegmentOptions::new().open(&name).is_ok()
    });
    segment.unlink().unwrap();
    assert_eq!(shown.as_deref(), Some(name.as_str()));
    assert!(there);
}

/// Everything that can stand where a segment is expected, by a name that starts as given.
fn litter() -> Vec<Unique> {
    let [empty, garbage, other_version, link] = std::array::from_fn(|_| Unique::new());
    std::fs::write(empty.path(), []).unwrap();
    std::fs::write(garbage.path(), [7; 5000]).unwrap();
    let segment = SegmentOptions::new().anonymous().unwrap();
    let mut bytes = image::bytes(&segment);
    image::put_u32(&mut bytes, 8, 77);
    std::fs::write(other_version.path(), bytes).unwrap();
    std::os::unix::fs::symlink("/dev/null", link.path()).unwrap();
    vec![empty, garbage, other_version, link]
}

#[test]
fn a_name_is_removed_whatever_is_in_the_file() {
    for name in litter() {
        SegmentOptions::new().open(&name).unwrap_err();
        assert!(std::fs::symlink_metadata(name.path()).is_ok());
        SegmentOptions::remove(&name).unwrap();
        assert!(std::fs::symlink_metadata(name.path()).is_err());
        let error = SegmentOptions::remove(&name).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("there is no segment named {:?}", &*name)
        );
        assert!(matches!(error, RemoveError::NotFound { .. }));
    }
    let directory = Unique::new();
    std::fs::create_dir(directory.path()).unwrap();
    let error = SegmentOptions::remove(&directory).unwrap_err();
    assert!(chain(&error).starts_with(&format!(
        "segment {:?}: removing its name failed: ",
        &*directory
    )));
    assert!(
        std::fs::metadata(directory.path()).is_ok(),
        "and is left alone"
    );
}

#[test]
fn a_segment_whose_name_was_removed_lives_on_with_those_who_have_it() {
    let name = Unique::new();
    let segment = SegmentOptions::new().create_new(&name).unwrap();
    let total = segment.create::<Counter>("total", 7).unwrap();
    assert!(segment.is_linked());
    in_child(|| SegmentOptions::remove(&name).unwrap());
    assert!(!segment.is_linked());
    assert_eq!(total.add(1), 8);
    // Another one of that name is another one.
    let other = SegmentOptions::new().create_new(&name).unwrap();
    assert!(other.is_linked() && !segment.is_linked());
    assert!(matches!(
        segment.unlink().unwrap_err(),
        RemoveError::OtherFile { .. }
    ));
    assert!(other.is_linked());
    other.unlink().unwrap();
    assert!(!other.is_linked());
    segment.unlink().unwrap();
    assert!(!Segment::anonymous().unwrap().is_linked());
}

#[test]
fn the_names_of_all_segments_are_listed_whatever_is_in_the_files() {
    let litter = litter();
    let named = Unique::new();
    let segment = SegmentOptions::new()
        .size(1 << 16)
        .create_new(&named)
        .unwrap();
    let all = SegmentOptions::list().unwrap();
    assert!(all.is_sorted_by(|one, other| one.name < other.name));
    let len = |name: &str| {
        all.iter()
            .find(|found| found.name == name)
            .map(|found| found.len)
    };
    let lens: Vec<_> = litter.iter().map(|name| len(name)).collect();
    // A link is no segment's file.
    assert_eq!(lens, [Some(0), Some(5000), Some(1 << 20), None]);
    assert_eq!(len(&named), Some(1 << 16));
    segment.unlink().unwrap();
    let all = SegmentOptions::list().unwrap();
    assert!(all.iter().all(|found| found.name != *named));
}
