//! Shared objects: values of any type that serde encodes, of any length, that all processes read
//! and change.
//!
//! | | what it is |
//! |---|---|
//! | [`Shared<T>`](crate::Shared) | one value: a configuration, a state, a result |
//! | [`Dict<K, V>`](crate::Dict) | values under keys: a cache, counts, what is known of each client |
//! | [`List<T>`](crate::List) | values in order: results, a log, what remains to be done |
//! | [`Set<T>`](crate::Set) | values, each once: what was seen |
//! | [`Namespace`](crate::Namespace) | attributes by name, each of a type of its own |
//!
//! A value is encoded when it is stored and decoded when it is read: what a process reads is a copy
//! of its own, and changing that changes nothing. `update` changes what is stored.
//!
//! # What holds for each object
//!
//! - **Reads take no lock** and leave nothing behind: a reader that is killed or stopped hinders no
//!   process, and no process that is stopped hinders a reader. A read copies the encoded value,
//!   and copies it again if another process has replaced it meanwhile and its memory has been used
//!   again: lock-free.
//! - **Changes are made one after the other**, under a lock that no code of yours runs under. A
//!   process that is stopped in the middle of a change holds up the changes of others until it
//!   continues.
//! - **A change is made whole or not at all**, wherever its process is killed. The next process
//!   that changes the object clears up, which takes the longer the more room there is.
//! - **A closure that makes the new value** runs without the lock, and again if another process has
//!   changed the value meanwhile, as with [`Element::update`](crate::array::Element::update). If
//!   it panics, nothing is changed. It may use the same object.
//! - **Removed** is what operations return of an object that was removed from its
//!   [`Manager`](crate::Manager). An entry of a segment stays.
//! - **Room** is what the object was created with. A value takes whole blocks; what is replaced or
//!   removed gives its blocks back. An object of a [`Manager`](crate::Manager) [grows](#growth)
//!   when a value finds no room, as far as the manager has room.
//! - **Types are compared** when an object is opened, as those of a
//!   [`Channel`](crate::queue::Channel) are: by what serde sees of them.
//!
//! # Growth
//!
//! The process whose change finds no room in an object of a [`Manager`](crate::Manager) copies the
//! object to free room of the manager, twice as large if there is so much, and a quarter larger at
//! least; then it makes its change there. If there is no such room, the change is refused as
//! [`Full`](ObjectError::Full), and the object stays as it is. All handles go on, in whatever
//! process. Meanwhile readers go on, and writers wait.
//!
//! A process that is killed while an object grows leaves the object as it was, or grown; in both
//! cases all values are there. The former room is the manager's again when the processes that had
//! handles have used them since, dropped them or died. Growth counts as a change, but not as a
//! version of a `Shared`.

/// What an object says of its changes, and how a process waits for one: methods of each object.
macro_rules! changes_of {
    ($what:literal, |$object:ident| $store:expr) => {
        #[doc = concat!("Blocks until the ", $what, " is changed, no longer than `timeout`, which is a")]
        /// [`Duration`](std::time::Duration) or an [`Instant`](std::time::Instant). A change before
        /// the call does not count: see [`wait_changed_since`](Self::wait_changed_since).
        ///
        /// # Errors
        ///
        /// [`ObjectTimeoutError`](crate::object::ObjectTimeoutError).
        pub fn wait_changed(
            &self,
            timeout: impl Into<crate::Deadline>,
        ) -> Result<(), crate::object::ObjectTimeoutError> {
            self.wait_changed_since(self.changes(), timeout)
        }

        /// Blocks as [`wait_changed`](Self::wait_changed) does, until the number of changes is
        /// another than `changes`. A process that was killed in a change may have made it: it
        /// counts as one, when the waiter asks for deaths.
        ///
        /// # Errors
        ///
        /// [`ObjectTimeoutError`](crate::object::ObjectTimeoutError).
        pub fn wait_changed_since(
            &self,
            changes: u64,
            timeout: impl Into<crate::Deadline>,
        ) -> Result<(), crate::object::ObjectTimeoutError> {
            let $object = self;
            $store.wait_changed(changes, &timeout.into())
        }

        #[doc = concat!("A wait until the ", $what, " has changed otherwise than `changes` times, for")]
        /// [`wait_any`](crate::queue::wait_any): as
        /// [`wait_changed_since`](Self::wait_changed_since), beside queues and processes.
        pub fn until_changed(&self, changes: u64) -> crate::object::UntilChanged<'_> {
            let $object = self;
            let since = crate::collection::object::changes::Since::Changes(changes);
            crate::object::UntilChanged::new(&$store, since)
        }

        /// Returns the number of changes. It may be stale when it is returned.
        pub fn changes(&self) -> u64 {
            let $object = self;
            $store.changes()
        }
    };
}

mod changes;
mod dict;
mod error;
mod growth;
mod iter;
mod key;
mod list;
mod namespace;
mod options;
mod set;
mod shared;
mod store;
mod words;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use changes::UntilChanged;
pub use dict::Dict;
pub use error::{ObjectError, ObjectTimeoutError};
pub use iter::{Iter, Keys, Values};
pub use list::List;
pub use namespace::{AttributeError, Namespace};
pub use options::{ObjectOptions, SharedOptions};
pub use set::Set;
pub use shared::Shared;

/// A type whose values are in shared objects: what serde encodes and decodes, and `Debug`, since an
/// object shows its contents. Every such type has it.
#[diagnostic::on_unimplemented(
    message = "values of `{Self}` cannot be in a shared object",
    note = "it needs `#[derive(Debug, serde::Serialize, serde::Deserialize)]`, and no borrowed parts"
)]
pub trait Stored: Serialize + DeserializeOwned + std::fmt::Debug + 'static {}

impl<T: Serialize + DeserializeOwned + std::fmt::Debug + 'static> Stored for T {}

/// What a key of type `K` is looked up by: a `&K`, or a `&str` for a `String`.
///
/// Keys are equal if their encodings are: two NaN of the same bits are, 0.0 and -0.0 are not, and
/// two `HashMap`s hardly ever, since they are encoded in their own order.
pub trait KeyOf<K>: Serialize + sealed::Sealed<K> {}

impl<K: Stored> KeyOf<K> for K {}
impl KeyOf<String> for str {}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait Sealed<K> {}
    impl<K: super::Stored> Sealed<K> for K {}
    impl Sealed<String> for str {}
}
