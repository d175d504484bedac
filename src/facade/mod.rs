//! The loom facade: the only access to shared state.
//!
//! An algorithm names atomics, futexes and waiting through this module alone. A normal
//! build gets [`real`]: core's atomics and futex(2), with nothing in between. Under the `loom` cfg
//! it gets `model`: loom's atomics, a modelled futex, and a step counter that can end a modelled
//! process before any of its shared steps. The algorithm is the same text in both.
//!
//! What both sides offer:
//!
//! | name | real | model |
//! |---|---|---|
//! | `AtomicU8` to `AtomicU64` | core's | loom's, a step each |
//! | `fence` | core's | loom's |
//! | [`Futex`] | 4 bytes, futex(2) | loom atomic and a wait queue |
//! | [`futex_wait`], [`futex_wait_any`] | futex(2), futex_waitv(2) | the queue; ends by a wake or a death |
//! | [`Words`] | relaxed atomic words | a race-checked cell |
//! | [`append_words`], [`store_bytes`] | copies as fast as memcpy | a step for each word |
//! | [`Deadline`] | monotonic clock | passes when the model says so |
//! | [`clock`] | the machine's monotonic clock | 0, or what the model says |
//! | [`clock_here`], [`has_passed`] | this process's monotonic clock | always 0; all has passed |
//! | [`WaitHistory`] | a handle's waits so far | nothing |
//! | [`Backoff`] | pauses, as its [`Pace`] has it | never spins: spinning explodes a model |
//! | [`light_barrier`], [`heavy_barrier`] | nothing, and membarrier(2) | two full fences; without membarrier, one |
//! | [`program_order`] | a compiler fence | nothing |
//! | [`barrier_after_rmw`] | a full fence, unless the RMW is one | a full fence |
//! | [`exclusive`], [`Guarded`] | the process's own lock, which a fork waits for | a loom mutex for each process, a race-checked cell |
//! | `Arc`, `Weak` | std's | std's: counting is no step |
//! | [`mutation`] | `false` | the seeded bug under test |

#[cfg(not(loom))]
mod backoff;
mod copies;
#[cfg(not(loom))]
mod history;
#[cfg(loom)]
#[macro_use]
pub(crate) mod model;
#[cfg(not(loom))]
mod real;

#[cfg(not(loom))]
pub(crate) use backoff::{Backoff, ShortSpin};
#[cfg(all(not(loom), feature = "process"))]
pub(crate) use copies::append_bytes;
#[cfg(any(loom, feature = "process"))]
pub(crate) use copies::append_words;
pub(crate) use copies::store_bytes;
#[cfg(not(loom))]
pub(crate) use history::WaitHistory;
#[cfg(loom)]
pub(crate) use model::{
    Arc, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Backoff, Deadline, Exclusive, Futex, Guarded,
    Left, ShortSpin, WaitHistory, Weak, Words, barrier_after_rmw, clock, clock_here, exclusive,
    futex_wait, futex_wait_any, has_passed, heavy_barrier, lacks_heavy_barrier, light_barrier,
    mutation, program_order, use_light_barriers,
};
#[cfg(not(loom))]
pub use real::Deadline;
#[cfg(not(loom))]
pub(crate) use real::{
    Arc, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Exclusive, Futex, Guarded, Left, Weak, Words,
    barrier_after_rmw, clock, clock_coarse, clock_here, exclusive, fence, futex_wait,
    futex_wait_any, has_passed, heavy_barrier, lacks_heavy_barrier, light_barrier, mutation,
    program_order, slept, use_light_barriers,
};

/// Of this process's own memory alone, so it has no model.
#[cfg(all(not(loom), feature = "process"))]
pub(crate) use core::sync::atomic::AtomicPtr;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{Ordering, fence};
#[cfg(not(loom))]
pub(crate) use real::Ordering;

/// What a waiter does before it sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Spins for some microseconds.
    #[default]
    Adaptive,
    /// Spins, and never sleeps.
    Spin,
    /// Nothing.
    Park,
}

/// The ordering an access has, weakened to `Relaxed` while the seeded bug `mutant` is under test.
#[inline(always)]
pub(crate) fn ordering(order: Ordering, mutant: u32) -> Ordering {
    if mutation(mutant) {
        Ordering::Relaxed
    } else {
        order
    }
}

/// Declares the seeded bugs of a room, `MUTANTS`: for each model that must fail, the numbers of its
/// bugs and what they are.
#[cfg(all(test, loom))]
macro_rules! mutants {
    ($($model:ident: $($number:literal $what:literal),+;)+) => {
        pub(crate) const MUTANTS: &[(u32, &str, &str)] =
            &[$($(($number, stringify!($model), $what)),+),+];
    };
}
#[cfg(all(test, loom))]
pub(crate) use mutants;
