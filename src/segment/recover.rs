//! Recovery of what a dead participant held in an entry, by the algorithm of its kind.

use crate::algorithm::region::Region;
use crate::format::{Kind, Record};
use crate::participant::Tag;

/// Defines the dispatch after the table.
macro_rules! dispatch {
    ($($(#[$docs:meta])+ $kind:ident = $number:literal, [$($bounds:tt)*] $handle:ty, $($algorithm:ident)::+;)+) => {
        /// Recovers what `dead` held in the entry of a record. Returns false if the kind is
        /// unknown, or the entry too short.
        pub(crate) fn recover(
            record: &Record,
            participants: u32,
            region: &impl Region,
            dead: Tag,
        ) -> bool {
            match Kind::from_number(record.kind) {
                $(Some(Kind::$kind) => {
                    crate::algorithm::$($algorithm)::+::recover(record, participants, region, dead).is_some()
                })+
                None => false,
            }
        }
    };
}
kinds!(dispatch);
