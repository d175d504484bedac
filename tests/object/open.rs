//! What an object can be created with and opened as.

use crossdock::object::ObjectOptions;
use crossdock::segment::{EntryError, Kind};
use crossdock::{Dict, List, Namespace, Placeable, Set, Shared};
use serde::{Deserialize, Serialize};

use crate::segment;

fn refused<P: Placeable>(config: P::Config) -> EntryError {
    segment().create::<P>("x", config).unwrap_err()
}

#[test]
fn room_for_nothing_and_for_too_much_is_refused() {
    let none = refused::<Dict<u8, u8>>(ObjectOptions::new(0));
    assert_eq!(
        none.to_string(),
        "expected a capacity of 1 to 268435456, found 0"
    );
    let wide = refused::<List<u8>>(ObjectOptions::new(1).bytes_each(0));
    assert!(
        matches!(
            wide,
            EntryError::CellSize {
                found: 0,
                least: 1,
                ..
            }
        ),
        "{wide}"
    );
    let wide = refused::<Set<u8>>(ObjectOptions::new(1).bytes_each(1 << 40));
    assert!(matches!(wide, EntryError::CellSize { .. }), "{wide}");
    let large = refused::<Dict<u8, u8>>(ObjectOptions::new(1 << 28));
    assert!(matches!(large, EntryError::ArenaFull { .. }), "{large}");
}

#[test]
fn an_object_is_opened_as_what_it_is() {
    let segment = segment();
    let dict = segment.create::<Dict<String, u32>>("d", 10).unwrap();
    dict.insert(&"a".into(), &1).unwrap();
    let same = segment.open::<Dict<String, u32>>("d").unwrap();
    assert_eq!(same.get("a"), Ok(Some(1)));
    let other = segment.open::<Dict<String, String>>("d").unwrap_err();
    assert!(matches!(other, EntryError::OtherPayload { .. }), "{other}");
    let other = segment.open::<Set<String>>("d").unwrap_err();
    let (expected, found) = (Kind::Set, Kind::Dict);
    let text = format!("entry \"d\": expected a {expected}, found a {found}");
    assert_eq!(other.to_string(), text);
    let as_large = segment.open_or_create::<Dict<String, u32>>("d", 10);
    assert_eq!(as_large.unwrap().get("a"), Ok(Some(1)));
    let larger = segment.open_or_create::<Dict<String, u32>>("d", 11);
    assert!(matches!(larger, Err(EntryError::OtherCapacity { .. })));
    segment.create::<Namespace>("n", 10).unwrap();
    assert!(segment.open::<Dict<String, u32>>("n").is_err());
}

/// A value that its own code refuses to encode.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Shy;

impl Serialize for Shy {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("on purpose"))
    }
}

#[test]
fn values_that_cannot_be_encoded_change_nothing() {
    let segment = segment();
    let refused = segment.create::<Shared<Shy>>("s", Shy).unwrap_err();
    assert!(
        matches!(refused, EntryError::Undecodable { .. }),
        "{refused}"
    );
    let dict = segment.create::<Dict<u8, Shy>>("d", 10).unwrap();
    let error = dict.insert(&1, &Shy).unwrap_err();
    assert_eq!(error.to_string(), "the value's own serde code refused");
    assert!(dict.is_empty());
    let list = segment.create::<List<Shy>>("l", 10).unwrap();
    assert!(list.push(&Shy).is_err() && list.extend([Shy]).is_err() && list.is_empty());
    let keys = segment.create::<Set<Shy>>("k", 10).unwrap();
    assert!(keys.insert(&Shy).is_err() && keys.contains(&Shy).is_err());
}
