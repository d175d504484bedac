//! What each kind says of itself: all of its operations, once.

mod array;
mod locks;
mod manager;
mod numbers;
mod objects;
mod queue;
mod ring;
mod snapshot;
mod sync;
mod work;
