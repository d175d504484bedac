//! A manager as it is seen from outside.

use super::layout::ManagerLayout;
use super::{FREE, HEAD, LIVE, STATE};
use crate::algorithm::look::{Look, Rows, Sight, field};
use crate::algorithm::region::WORD;
use crate::format::{Kind, RECORD_LEN, RECORD_WORDS, Record};

/// The objects, and how many participants hold each of them.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let layout = ManagerLayout::of(look.record.config, look.participants)?;
    let pool = look.record.offset.checked_add(layout.pool)?;
    let end = look.record.end()?;
    let (mut live, mut removed, mut bytes, mut rows) = (0_u64, 0_u64, 0_u64, Rows::default());
    look.each(layout.records, |number| {
        let state = look.u64(layout.heads + number * HEAD as u64 * WORD)? & STATE;
        if state == FREE {
            return Some(());
        }
        let first = layout.directory + number * RECORD_LEN as u64;
        let mut words = [0; RECORD_WORDS];
        for (index, word) in (0_u64..).zip(&mut words) {
            *word = look.u64(first + index * WORD)?;
        }
        let Ok(record) = Record::decode(&words, pool, end) else {
            return Some(());
        };
        bytes = bytes.saturating_add(record.len.next_multiple_of(layout.block));
        let is_live = state == LIVE;
        live += u64::from(is_live);
        removed += u64::from(!is_live);
        let mut holders = 0_u64;
        let cells = layout.cells + number * layout.participants * WORD;
        look.each(layout.participants, |index| {
            holders += u64::from(look.u64(cells + index * WORD)? != 0);
            Some(())
        })?;
        let kind = Kind::from_number(record.kind);
        rows.push([
            field("object", record.name.to_string()),
            field(
                "kind",
                kind.map_or("unknown".to_owned(), |kind| kind.to_string()),
            ),
            field("bytes", record.len),
            field("held by", holders),
            field("removed", !is_live),
        ]);
        Some(())
    })?;
    Some(
        Sight::new()
            .with("objects", live)
            .with("removed and held", removed)
            .with("most objects", layout.records)
            .with("bytes in use", bytes)
            .with("bytes of room", layout.blocks.saturating_mul(layout.block))
            .with("creator", look.tag(look.u32(0)?))
            .rows("each", rows),
    )
}
