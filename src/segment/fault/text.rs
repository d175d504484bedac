//! Texts of errors that come from other processes.
//!
//! They are kept under the process's exclusion, so that a child that is forked by another thread
//! meanwhile receives them, too.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Text;
use crate::sys::fork::{Guarded, exclusive};

/// The texts received so far, in the order in which they came; the rest is empty. Each lives as
/// long as the process.
static RECEIVED: Guarded<[&str; MOST]> = Guarded::new([""; MOST]);
const MOST: usize = 256;
const LONGEST: usize = 128;
/// For a text that is too long, or one too many.
const OTHER: &str = "a request to the system";

/// What is known of a text.
enum KnownText {
    Before(&'static str),
    /// Not yet, and there is a place for it.
    Free,
    Full,
}

impl KnownText {
    fn of(text: &str) -> Self {
        let mut exclusive = exclusive();
        let mut known = RECEIVED.get(&mut exclusive).iter();
        match known.find(|known| known.is_empty() || **known == text) {
            Some(&"") => Self::Free,
            Some(known) => Self::Before(known),
            None => Self::Full,
        }
    }
}

/// Keeps a text that was not received before, unless another thread was faster.
fn keep(text: &'static str) -> &'static str {
    let mut exclusive = exclusive();
    let mut known = RECEIVED.get(&mut exclusive).iter_mut();
    let place = known.find(|known| known.is_empty() || **known == text);
    place.map_or(OTHER, |place| {
        *place = text;
        text
    })
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(Self(match KnownText::of(&text) {
            _ if text.is_empty() => "",
            KnownText::Before(known) => known,
            // Not under the exclusion: it allocates.
            KnownText::Free if text.len() <= LONGEST => keep(text.leak()),
            KnownText::Free | KnownText::Full => OTHER,
        }))
    }
}
