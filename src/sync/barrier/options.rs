//! What a barrier is created with.

use crate::segment::IntoConfig;

/// What the death of a party does to a [`Barrier`](super::Barrier), and its leaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDeath {
    /// The barrier breaks: all that wait, and all that arrive, get
    /// [`BarrierError::Broken`](super::BarrierError::Broken), until a
    /// [`reset`](super::Barrier::reset).
    #[default]
    Break,
    /// The barrier has one party less from then on, until a [`reset`](super::Barrier::reset).
    Shrink,
}

/// What a [`Barrier`](super::Barrier) is created with: how many parties it waits for, and what the
/// death of one does.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::sync::{Barrier, BarrierOptions, OnDeath};
///
/// let segment = Segment::anonymous()?;
/// let options = BarrierOptions::new(3).on_death(OnDeath::Shrink);
/// let step = segment.create::<Barrier>("step", options)?;
/// assert_eq!(step.parties(), 3);
/// // If a death shall break it, only the number matters:
/// let other = segment.create::<Barrier>("other", 2)?;
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierOptions {
    pub(super) parties: u64,
    pub(super) on_death: OnDeath,
}

impl BarrierOptions {
    /// For so many parties, 1 to 65,535, of which the death of one breaks the barrier. Each takes 8
    /// bytes.
    pub const fn new(parties: u64) -> Self {
        Self {
            parties,
            on_death: OnDeath::Break,
        }
    }

    /// Sets what the death of a party does.
    #[must_use]
    pub const fn on_death(self, on_death: OnDeath) -> Self {
        Self { on_death, ..self }
    }
}

/// [`BarrierOptions::new`].
impl From<u64> for BarrierOptions {
    fn from(parties: u64) -> Self {
        Self::new(parties)
    }
}

/// [`BarrierOptions::new`].
impl IntoConfig<BarrierOptions> for u64 {
    fn into_config(self) -> BarrierOptions {
        BarrierOptions::new(self)
    }
}
