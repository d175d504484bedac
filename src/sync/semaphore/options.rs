//! What a semaphore is created with.

use crate::segment::IntoConfig;

/// What a [`Semaphore`](super::Semaphore) is created with: its permits, and how many there can be.
///
/// # Examples
///
/// ```
/// use crossdock::Segment;
/// use crossdock::sync::{Semaphore, SemaphoreOptions};
///
/// let segment = Segment::anonymous()?;
/// let options = SemaphoreOptions::new(2).most(8);
/// let growing = segment.create::<Semaphore>("growing", options)?;
/// growing.add_permits(6)?;
/// assert_eq!(growing.available(), 8);
/// // As many as it begins with, if only that number matters:
/// let limit = segment.create::<Semaphore>("limit", 4)?;
/// assert_eq!(limit.most(), 4);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemaphoreOptions {
    pub(super) permits: u64,
    pub(super) most: u64,
}

impl SemaphoreOptions {
    /// With so many permits at first, 0 to 65,535, and room for no more.
    pub const fn new(permits: u64) -> Self {
        Self {
            permits,
            most: permits,
        }
    }

    /// Sets the greatest number of permits: 1 to 65,535, and as many as there are at first at
    /// least. Each takes 4 bytes.
    #[must_use]
    pub const fn most(self, most: u64) -> Self {
        Self { most, ..self }
    }
}

/// [`SemaphoreOptions::new`].
impl From<u64> for SemaphoreOptions {
    fn from(permits: u64) -> Self {
        Self::new(permits)
    }
}

/// [`SemaphoreOptions::new`].
impl IntoConfig<SemaphoreOptions> for u64 {
    fn into_config(self) -> SemaphoreOptions {
        SemaphoreOptions::new(self)
    }
}
