//! A manager as it is seen from outside.

use super::layout::ManagerLayout;
use super::{FREE, HEAD, LIVE, STATE, hash_of};
use crate::algorithm::look::{Look, Rows, Sight, counted, field};
use crate::algorithm::region::WORD;
use crate::format::{Kind, Name, RECORD_LEN, RECORD_WORDS, Record};

/// The record of that number, if its bytes are a record's; one that is being created is another
/// one a moment later.
fn record_at(look: &Look<'_>, layout: &ManagerLayout, number: u64) -> Option<Option<Record>> {
    let pool = look.record.offset.checked_add(layout.pool)?;
    let end = look.record.end()?;
    let first = layout.directory + number * RECORD_LEN as u64;
    let mut words = [0; RECORD_WORDS];
    for (index, word) in (0_u64..).zip(&mut words) {
        *word = look.u64(first + index * WORD)?;
    }
    Some(Record::decode(&words, pool, end).ok())
}

/// The record of the live object of that name; `None` if there is none, or the entry is none of a
/// manager.
pub(crate) fn object(look: &Look<'_>, name: Name) -> Option<Record> {
    let layout = ManagerLayout::of(look.record.config, look.participants)?;
    let mut found = None;
    look.each(layout.records, |number| {
        let head = layout.heads + number * HEAD as u64 * WORD;
        let is_live = look.u64(head)? & STATE == LIVE;
        if found.is_none() && is_live && look.u64(head + WORD)? == hash_of(name) {
            let record = record_at(look, &layout, number)?;
            found = record.filter(|record| record.name == name);
        }
        Some(())
    })?;
    found
}

/// The objects, and how many participants hold each of them.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let layout = ManagerLayout::of(look.record.config, look.participants)?;
    let (mut removed, mut bytes, mut corrupt) = (0_u64, 0_u64, 0_u64);
    let (mut objects, mut rows) = (Vec::new(), Rows::default());
    let all = look.each(layout.records, |number| {
        let state = look.u64(layout.heads + number * HEAD as u64 * WORD)? & STATE;
        if state == FREE {
            return Some(());
        }
        let Some(record) = record_at(look, &layout, number)? else {
            corrupt += 1;
            return Some(());
        };
        bytes = bytes.saturating_add(record.len.next_multiple_of(layout.block));
        let is_live = state == LIVE;
        removed += u64::from(!is_live);
        if is_live {
            objects.push(record);
        }
        if rows.is_full() {
            return Some(());
        }
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
    let sight = Sight::new()
        .with("objects", objects.len() as u64)
        .with("removed and held", removed)
        .with("most objects", layout.records)
        .with("bytes in use", bytes)
        .with("bytes of room", layout.blocks.saturating_mul(layout.block))
        .with("creator", look.tag(look.u32(0)?));
    let sight = counted(sight, all, corrupt).rows("each", rows);
    Some(Sight { objects, ..sight })
}
