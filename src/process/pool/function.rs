//! How a worker calls the functions of tasks, and what its state is.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::message::{FrameKind, begin_frame, end_frame, push_frame};
use crate::process::{CodecError, handles};
use crate::segment::Segment;

/// What each worker of a pool has beside the arguments of a task: nothing in a `Pool<()>`, the
/// value that the [initializer](super::PoolBuilder::initializer) returned in a `Pool<State<S>>`.
/// Only this crate implements it.
pub trait WorkerState: sealed::OfPools + 'static {
    /// The functions that the pool runs: `fn(A) -> R`, or `fn(&mut S, A) -> R`.
    type Function<A, R>: Copy;

    #[doc(hidden)]
    type Value: 'static;

    #[doc(hidden)]
    fn address<A, R>(function: Self::Function<A, R>) -> *const ();

    /// Calls the function at an address.
    ///
    /// # Safety
    /// - `function` is a `Self::Function<A, R>` of this program.
    #[doc(hidden)]
    unsafe fn call<A, R>(function: *const (), state: &mut Self::Value, argument: A) -> R;
}

mod sealed {
    #[expect(unnameable_types, reason = "that is what seals the trait")]
    pub trait OfPools {}
}

/// The state of a pool's workers is an `S`, which stays in each worker: it need not be portable.
pub struct State<S>(PhantomData<fn() -> S>);

impl<S> fmt::Debug for State<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("State")
    }
}

impl sealed::OfPools for () {}

impl WorkerState for () {
    type Function<A, R> = fn(A) -> R;
    type Value = ();

    fn address<A, R>(function: fn(A) -> R) -> *const () {
        function as *const ()
    }

    unsafe fn call<A, R>(function: *const (), _state: &mut (), argument: A) -> R {
        // SAFETY: the caller says that it is such a function.
        let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function) };
        function(argument)
    }
}

impl<S: 'static> sealed::OfPools for State<S> {}

impl<S: 'static> WorkerState for State<S> {
    type Function<A, R> = fn(&mut S, A) -> R;
    type Value = S;

    fn address<A, R>(function: fn(&mut S, A) -> R) -> *const () {
        function as *const ()
    }

    unsafe fn call<A, R>(function: *const (), state: &mut S, argument: A) -> R {
        // SAFETY: the caller says that it is such a function.
        let function = unsafe { std::mem::transmute::<*const (), fn(&mut S, A) -> R>(function) };
        function(state, argument)
    }
}

/// Runs one item: decodes the argument, calls the function at the address and appends the frame of
/// its result.
pub(super) type Runner<V> = fn(*const (), &mut V, &[u8], &[Segment], &mut Vec<u8>);

pub(super) fn run_item<W, A, R>(
    function: *const (),
    state: &mut W::Value,
    argument: &[u8],
    known: &[Segment],
    reply: &mut Vec<u8>,
) where
    W: WorkerState,
    A: DeserializeOwned,
    R: Serialize,
{
    let argument: A = match handles::decode_known(argument, known) {
        Ok(argument) => argument,
        Err(error) => return push_error(reply, FrameKind::Arguments, &error),
    };
    // SAFETY: the parent sent the offset of a `W::Function<A, R>` along with that of this very
    // instantiation, and this worker runs the parent's program.
    let result: R = unsafe { W::call(function, state, argument) };
    let at = begin_frame(reply);
    match handles::encode_known(reply, &result, known) {
        Ok(()) => end_frame(reply, at, FrameKind::Value),
        Err(error) => {
            reply.truncate(at);
            push_error(reply, FrameKind::Encode, &error);
        }
    }
}

fn push_error(reply: &mut Vec<u8>, kind: FrameKind, error: &CodecError) {
    push_frame(reply, kind, error.to_string().as_bytes());
}
