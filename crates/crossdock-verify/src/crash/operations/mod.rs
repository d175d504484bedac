//! The operations that are swept: for each a world, a victim, a third party, a judge, and a bug.

mod count;
mod create;
mod lock;
mod locks;
mod naive;
mod named;
mod queue;
mod registry;
mod ring;
mod room;

use crate::crash::sweep::Listed;

pub(crate) use named::{left_behind, sweep_away};

/// Every operation, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Listed> {
    [
        registry::LISTED,
        create::LISTED,
        named::LISTED,
        locks::LISTED,
        count::LISTED,
        ring::LISTED,
        queue::LISTED,
    ]
    .into_iter()
    .flatten()
}
