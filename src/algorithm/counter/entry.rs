//! Where the words of an entry are, and the recovery of what a dead participant held there.

use super::CounterState;
use crate::algorithm::region::SharedState;

// SAFETY: one atomic word.
unsafe impl SharedState for CounterState {}
