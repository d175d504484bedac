//! Primitives that are used while any bytes are written over them: whatever those are, every
//! operation ends, and works or says what is wrong.

pub(crate) mod array;
pub(crate) mod channel;
pub(crate) mod header;
pub(crate) mod inspect;
pub(crate) mod managers;
pub(crate) mod objects;
pub(crate) mod queue;
pub(crate) mod ring;
pub(crate) mod rwlock;
pub(crate) mod snapshot;
pub(crate) mod sync;
pub(crate) mod work;
