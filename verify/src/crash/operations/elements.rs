//! Operations on many elements of an array, one after the other: what is done to all must have been
//! done to the first of them.

use crossdock::AtomicArray;
use crossdock::array::Init;

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::Rig;

/// What is done to many elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Many {
    Fill,
    StoreSlice,
    FillWith,
}

struct Filling {
    verb: Many,
    seeded: bool,
}

struct Row {
    base: Base,
    elements: AtomicArray<u32>,
}

const OLD: u32 = 40;
const NEW: u32 = 50;
const THIRD: u32 = 70;
const LEN: usize = 6;
/// The element that the third party stores into.
const ITS: usize = 3;

impl Filling {
    fn operate(&self, elements: &AtomicArray<u32>) {
        match (self.verb, self.seeded) {
            (_, true) => elements.iter().rev().for_each(|element| element.store(NEW)),
            (Many::Fill, false) => elements.fill(NEW),
            (Many::StoreSlice, false) => elements.store_slice(0, &[NEW; LEN]),
            (Many::FillWith, false) => elements.fill_with(|_| NEW),
        }
    }
}

/// How many elements are new, which must be the first.
fn filled(values: &[u32], scene: &mut Scene) -> usize {
    let filled = values.iter().take_while(|value| **value == NEW).count();
    if values[filled..].iter().any(|value| *value != OLD) {
        scene.lost(format!("not filled from the first on: {values:?}"));
    }
    filled
}

impl Operation for Filling {
    type World = Row;
    /// How many elements were filled when the third party stored into one.
    type Seen = Option<usize>;

    fn world(&self) -> Rig<Row> {
        let base = Base::new(4)?;
        let elements = base.segment.create("elements", Init::filled(LEN, OLD))?;
        Ok(Row { base, elements })
    }

    fn base<'a>(&self, row: &'a Row) -> &'a Base {
        &row.base
    }

    fn victim(&self, row: Owned<Row>, begin: &mut dyn FnMut()) -> u8 {
        if let Ok(spare) = self.world() {
            self.operate(&spare.elements);
            std::mem::forget(spare);
        }
        begin();
        self.operate(&row.elements);
        0
    }

    fn meanwhile(&self, row: &Row, seen: &mut Option<usize>, scene: &mut Scene) -> Rig {
        *seen = Some(filled(&row.elements.to_vec(), scene));
        row.elements[ITS].store(THIRD);
        Ok(())
    }

    fn after_kill(&self, row: &Row, seen: Option<usize>, scene: &mut Scene) -> Rig {
        let mut values = row.elements.to_vec();
        let count = match seen {
            Some(count) => {
                if values[ITS] != THIRD {
                    scene.lost(format!("a third party's value is gone: {values:?}"));
                }
                values[ITS] = if count > ITS { NEW } else { OLD };
                if filled(&values, scene) != count {
                    scene.lost(format!("{count} were filled: {values:?}"));
                }
                count
            }
            None => filled(&values, scene),
        };
        scene.outcome(match count {
            0 => "none filled",
            LEN => "all filled",
            _ => "some filled",
        });
        Ok(())
    }

    fn after_end(&self, row: &Row, seen: Option<usize>, _code: u8, scene: &mut Scene) -> Rig {
        let mut expected = [NEW; LEN];
        if seen.is_some_and(|count| count > ITS) {
            expected[ITS] = THIRD;
        }
        let values = row.elements.to_vec();
        if values != expected {
            scene.lost(format!("filled to {values:?}, not {expected:?}"));
        }
        scene.outcome("went on");
        Ok(())
    }
}

/// The operations on many elements.
pub(crate) const LISTED: &[Listed] = {
    use Many as Verb;
    listed! {
        |verb, seeded| Filling { verb, seeded };
        "AtomicArray::fill" Fill "elements that are filled from the last on"
        "AtomicArray::store_slice" StoreSlice "elements that are filled from the last on"
        "AtomicArray::fill_with" FillWith "elements that are filled from the last on"
    }
};
