//! Names that cannot be a segment's or an entry's.

use crossdock::segment::{CreateError, EntryError, NameError, OpenError, OpenOrCreateError};
use crossdock::{Counter, Segment, SegmentOptions};

use crate::support::names::Unique;
use crate::support::process::leaves_nothing;

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
            assert_eq!(error.to_string(), format!("segment name: {text}"));
            assert!(matches!(error, CreateError::Name(found) if found == expected));
        }
    });
}

#[test]
fn a_bad_segment_name_is_refused_at_open() {
    leaves_nothing(|| {
        for (name, expected, text) in bad(SEGMENT_MAX) {
            let error = SegmentOptions::new().open(&name).unwrap_err();
            assert_eq!(error.to_string(), format!("segment name: {text}"));
            assert!(matches!(error, OpenError::Name(found) if found == expected));
        }
    });
}

#[test]
fn a_bad_segment_name_is_refused_at_open_or_create() {
    leaves_nothing(|| {
        for (name, expected, _) in bad(SEGMENT_MAX) {
            let error = SegmentOptions::new().open_or_create(&name).unwrap_err();
            assert!(
                matches!(&error, OpenOrCreateError::Open(OpenError::Name(found)) if *found == expected),
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
            assert_eq!(error.to_string(), format!("entry name: {text}"));
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
        assert_eq!(segment.open::<Counter>(name).unwrap().get(), 7, "{name:?}");
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
