//! An array with its chunks as it is seen from outside.

use super::layout::ArrayLayout;
use super::{DIED, DONE, TABLE_OPEN};
use crate::algorithm::look::{Look, Rows, Sight, counted, field};
use crate::algorithm::rwlock;
use crate::participant::Tag;

/// The lock, the chunks, and which participants have leased some.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let [len, chunk, ..] = look.record.config;
    let payload = (look.payload().size(), look.payload().align());
    let layout = ArrayLayout::new((len, chunk), payload, look.participants)?;
    let table = look.u32(ArrayLayout::TABLE)?;
    let chunks = layout.cut.count() as u64;
    let (mut done, mut leased, mut corrupt) = (0_u64, 0_u64, 0_u64);
    let mut rows = Rows::default();
    let all = look.each(chunks, |number| {
        let word = look.u32(layout.chunks + number * 4)?;
        match look.tag(word) {
            Some(holder) => {
                leased += 1;
                rows.push([
                    field("chunk", number),
                    field("holder", holder),
                    field("last holder died", word & DIED != 0),
                ]);
            }
            None if word & Tag::MASK != 0 => corrupt += 1,
            None => done += u64::from(word & DONE != 0),
        }
        Some(())
    })?;
    let lock = rwlock::view::lock(look, layout.cells)?;
    let first = Sight::new()
        .with("length", len)
        .with("chunks", chunks)
        .with("leased", leased)
        .with("done", done)
        .with("open for leases", table & TABLE_OPEN != 0);
    let mut sight = Sight {
        fields: [first.fields, lock.fields].concat(),
        ..Sight::new()
    };
    sight = counted(sight, all, corrupt).rows("leased by", rows);
    Some(sight.list("value", layout.data, len, look.payload().size()))
}
