//! Values that can be passed to another process.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value that can be an argument or a result of a spawned function: any value that serde can
/// encode and decode.
///
/// Every type that is `Serialize` and `DeserializeOwned` is portable; there is nothing to
/// implement. Portable are numbers, `String`, `Vec` and tuples, types of your own that derive
/// `Serialize` and `Deserialize`, and the handles of shared memory: [`Segment`](crate::Segment),
/// [`Mutex`](crate::Mutex), [`Queue`](crate::queue::Queue) and the others. A handle refers to the
/// same memory in the other process; every other value arrives as a copy.
///
/// References (`&'static str` too), guards, `Rc`, `Arc` and files are not portable: they belong to
/// one process.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be passed to another process",
    label = "serde cannot encode and decode `{Self}`",
    note = "a type of your own: `#[derive(serde::Serialize, serde::Deserialize)]`",
    note = "a reference, guard, `Rc`, `Arc` or file belongs to one process: pass values",
    note = "memory that both processes use: pass a `Segment`, or a handle such as \
            `crossdock::Mutex<T>`"
)]
pub trait Portable: Serialize + DeserializeOwned {}

// The error then names `Portable`, and so its notes, instead of the bound of this impl that fails.
#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Portable for T {}
