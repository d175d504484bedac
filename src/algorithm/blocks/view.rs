//! A shared object as it is seen from outside: dictionary, set, namespace, list, single value.

use core::mem::offset_of;

use super::layout::BlocksLayout;
use super::{BlocksState, Edition, Root, Shape, number_of};
use crate::algorithm::look::{Look, Sight};
use crate::algorithm::region::WORD;

/// An index of keys.
pub(crate) fn index(look: &Look<'_>) -> Option<Sight> {
    object(look, Shape::Index)
}

/// A list.
pub(crate) fn list(look: &Look<'_>) -> Option<Sight> {
    object(look, Shape::List)
}

/// A single value.
pub(crate) fn single(look: &Look<'_>) -> Option<Sight> {
    object(look, Shape::Single)
}

fn object(look: &Look<'_>, shape: Shape) -> Option<Sight> {
    let layout = BlocksLayout::of(shape, look.record.config)?;
    let root = Root(look.long(offset_of!(BlocksState, root))?);
    let lock = look.word(offset_of!(BlocksState, writer.0.lock))?;
    let table = (layout.slots + 1) * WORD * root.table() as u64;
    let len = number_of(look.u64(layout.tables + table)?);
    let used = look.long(offset_of!(BlocksState, writer.0.used))?;
    let used = number_of(used).min(layout.blocks);
    let sight = match shape {
        Shape::Single => Sight::new(),
        Shape::Index | Shape::List => Sight::new().with("length", len.min(layout.blocks)),
    };
    Some(
        sight
            .with(
                "changes",
                look.long(offset_of!(BlocksState, writer.0.changes))?,
            )
            .with("flips of the table", number_of(root.0) >> 1)
            .with("sweeps", root.0 >> Edition::SHIFT)
            .with("blocks in use", used)
            .with("blocks free", layout.blocks - used)
            .with("block bytes", layout.payload * WORD)
            .with("writer", look.tag(lock))
            .with(
                "waited for",
                look.has_waiters(offset_of!(BlocksState, writer.0.event))?,
            ),
    )
}
