//! Names for what other libraries find by name, and what removes it again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

/// A name that no other process has. It travels; where it was made, what bears it is removed when
/// the last clone is dropped.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Named {
    name: String,
    #[serde(skip)]
    _end: Option<Arc<End>>,
}

/// What removes it.
struct End {
    name: String,
    remove: fn(&str),
}

impl Named {
    /// The next name; `remove` gets it in the end.
    pub(crate) fn new(remove: fn(&str)) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crossdock-studies-{}-{number}", std::process::id());
        let end = End {
            name: name.clone(),
            remove,
        };
        Self {
            name,
            _end: Some(Arc::new(end)),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }
}

impl Drop for End {
    fn drop(&mut self) {
        (self.remove)(&self.name);
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("End")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bears_a_name_is_removed_with_the_last_one_that_was_made_here() {
        static REMOVED: AtomicU32 = AtomicU32::new(0);
        let one = Named::new(|_| {
            REMOVED.fetch_add(1, Ordering::Relaxed);
        });
        assert_ne!(one.as_str(), Named::new(|_| ()).as_str());
        let text = serde_json::to_string(&one).expect("it travels");
        let travelled: Named = serde_json::from_str(&text).expect("it arrives");
        assert_eq!(travelled.as_str(), one.as_str());
        drop((one.clone(), travelled));
        assert_eq!(REMOVED.load(Ordering::Relaxed), 0);
        drop(one);
        assert_eq!(REMOVED.load(Ordering::Relaxed), 1);
    }
}
