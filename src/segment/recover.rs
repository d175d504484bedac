//! What is done in an entry by the algorithm of its kind, whatever the type of its values: recovery
//! of what a dead participant held, and the taking over of ends.

use crate::algorithm::region::{Located, Region};
use crate::format::Kind;
use crate::participant::Tag;
#[cfg(feature = "process")]
use crate::participant::{
    Liveness,
    hand_over::{HandOverStep, TakeOverError},
};

/// Defines the dispatch after the table.
macro_rules! dispatch {
    ($($(#[$docs:meta])+ $kind:ident = $number:literal, [$($bounds:tt)*] $handle:ty, $($algorithm:ident)::+, $($ends:ident)::+, $($view:ident)::+;)+) => {
        /// Recovers what `dead` held in the entry of a record. Returns false if the kind is
        /// unknown, or the entry too short.
        pub(crate) fn recover(entry: &Located<'_, impl Region>, dead: Tag) -> bool {
            match Kind::from_number(entry.record.kind) {
                $(Some(Kind::$kind) => {
                    crate::algorithm::$($algorithm)::+::recover(entry, dead).is_some()
                })+
                None => false,
            }
        }

        /// Takes over or gives up an end of the entry of a record, for `me`.
        #[cfg(feature = "process")]
        pub(crate) fn perform(
            entry: &Located<'_, impl Region>,
            step: HandOverStep,
            peers: &impl Liveness,
        ) -> Result<(), TakeOverError> {
            let performed = match Kind::from_number(entry.record.kind) {
                $(Some(Kind::$kind) => {
                    crate::algorithm::$($ends)::+::perform(entry, step, peers)
                })+
                None => None,
            };
            performed.unwrap_or(Err(TakeOverError::Corrupt))
        }
    };
}
kinds!(dispatch);
