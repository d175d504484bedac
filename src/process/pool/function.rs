//! How a worker calls the functions of tasks, and what its state is.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::chunk::Chunk;
use super::message::FrameKind;
use crate::process::RemoteError;

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

    /// Calls the function at an address. Returns the error that it returned, if it can fail.
    ///
    /// # Safety
    /// - `function` is a `Self::Function<A, R>` of this program.
    #[doc(hidden)]
    unsafe fn call<A, R>(
        function: *const (),
        state: &mut Self::Value,
        argument: A,
    ) -> Result<R, RemoteError>;
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

    unsafe fn call<A, R>(
        function: *const (),
        _state: &mut (),
        argument: A,
    ) -> Result<R, RemoteError> {
        // SAFETY: the caller says that it is such a function.
        let function = unsafe { std::mem::transmute::<*const (), fn(A) -> R>(function) };
        Ok(function(argument))
    }
}

impl<S: 'static> sealed::OfPools for State<S> {}

impl<S: 'static> WorkerState for State<S> {
    type Function<A, R> = fn(&mut S, A) -> R;
    type Value = S;

    fn address<A, R>(function: fn(&mut S, A) -> R) -> *const () {
        function as *const ()
    }

    unsafe fn call<A, R>(
        function: *const (),
        state: &mut S,
        argument: A,
    ) -> Result<R, RemoteError> {
        // SAFETY: the caller says that it is such a function.
        let function = unsafe { std::mem::transmute::<*const (), fn(&mut S, A) -> R>(function) };
        Ok(function(state, argument))
    }
}

/// The tasks of a pool of `W` can fail: their functions return a `Result<R, E>`. See
/// [`Pool::fallible`](super::Pool::fallible).
pub struct Fallible<W, E>(PhantomData<fn() -> (W, E)>);

impl<W, E> fmt::Debug for Fallible<W, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fallible")
    }
}

impl<W: WorkerState, E> sealed::OfPools for Fallible<W, E> {}

impl<W, E> WorkerState for Fallible<W, E>
where
    W: WorkerState,
    E: Into<Box<dyn Error + Send + Sync>> + 'static,
{
    type Function<A, R> = W::Function<A, Result<R, E>>;
    type Value = W::Value;

    fn address<A, R>(function: Self::Function<A, R>) -> *const () {
        W::address::<A, Result<R, E>>(function)
    }

    unsafe fn call<A, R>(
        function: *const (),
        state: &mut W::Value,
        argument: A,
    ) -> Result<R, RemoteError> {
        // SAFETY: the caller says that it is such a function, which for `W` returns the result.
        let returned = unsafe { W::call::<A, Result<R, E>>(function, state, argument) };
        returned?.map_err(|error| RemoteError::of(error.into()))
    }
}

/// Runs the items of a chunk: decodes each argument, calls the function at the address and commits
/// its result.
pub(super) type Runner<V> = fn(*const (), &mut V, &mut Chunk<'_>);

pub(super) fn run_items<W, A, R>(function: *const (), state: &mut W::Value, chunk: &mut Chunk<'_>)
where
    W: WorkerState,
    A: DeserializeOwned,
    R: Serialize,
{
    while let Some(argument) = chunk.next() {
        loop {
            match chunk.decode::<A>(argument) {
                Ok(argument) => {
                    // SAFETY: the parent sent the offset of a `W::Function<A, R>` along with that
                    // of this very instantiation, and this worker runs the parent's program.
                    let returned = unsafe { W::call::<A, R>(function, state, argument) };
                    chunk.end_if_forked();
                    match returned {
                        Ok(result) => {
                            chunk.write(&result);
                            // Its drop is a part of the item.
                            drop(result);
                        }
                        Err(error) if chunk.runs_again_after(&error) => continue,
                        Err(error) => chunk.write_failure(&error),
                    }
                }
                Err(error) => chunk.write_error(FrameKind::Arguments, &error),
            }
            break;
        }
        chunk.commit();
    }
}
