//! Sequential specifications: what a primitive is when one process does one thing after the other.

pub(crate) mod atomic_array;
pub(crate) mod objects;
pub(crate) mod work;
