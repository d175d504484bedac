//! Entries whose first value is too large for the stack.

use bytemuck::Zeroable;

use super::entry::{Bytes, Placeable, Shape};
use super::{EntryError, Segment};

/// A primitive that is created with a value: a [`Mutex`](crate::Mutex), a [`RwLock`](crate::RwLock)
/// or a [`Snapshot`](crate::Snapshot).
///
/// A value of some hundred KiB and more is created by [`Segment::create_boxed`] or
/// [`Segment::create_with`]: both keep it on the heap until it is in the segment.
pub trait HoldsValue: Placeable {
    /// The value.
    type Value;

    /// The argument of [`Segment::create_boxed`]: the first value in a box; for a snapshot also
    /// [`SnapshotOptions`](crate::SnapshotOptions) of a box.
    type Boxed: From<Box<Self::Value>>;

    /// As `Placeable::words`; the defaults for a value alone if there are no options.
    #[doc(hidden)]
    fn boxed_words(_first: Option<&Self::Boxed>) -> [u64; 4] {
        [0; 4]
    }

    #[doc(hidden)]
    fn boxed_refused(_first: Option<&Self::Boxed>) -> EntryError {
        Self::unfit()
    }

    #[doc(hidden)]
    fn prepare_boxed(bytes: &Bytes<'_>, first: Self::Boxed);
}

impl Segment {
    /// Creates an entry whose first value comes in a box. Otherwise as [`create`](Self::create).
    ///
    /// The value is copied from the heap into the segment and never passes through the stack.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{Mutex, Segment, SegmentOptions, Snapshot, SnapshotOptions};
    ///
    /// type Image = [u8; 4 << 20];
    /// let segment = SegmentOptions::new().size(64 << 20).anonymous()?;
    /// let white: Box<Image> = vec![255; 4 << 20].into_boxed_slice().try_into().expect("as long");
    /// let image = segment.create_boxed::<Mutex<Image>>("image", white.clone())?;
    /// assert_eq!(image.lock_or_repair(|image| image.fill(0))?[7], 255);
    ///
    /// let latest = SnapshotOptions::new(white).readers(2);
    /// let latest = segment.create_boxed::<Snapshot<Image>>("latest", latest)?;
    /// assert_eq!(latest.reader()?.read()?[7], 255);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn create_boxed<P: HoldsValue>(
        &self,
        name: &str,
        first: impl Into<P::Boxed>,
    ) -> Result<P, EntryError> {
        let first = first.into();
        let shape = self.boxed_shape::<P>(Some(&first))?;
        self.create_shaped(name, &shape, |_| Ok(first), P::prepare_boxed)
    }

    /// Opens an entry, or creates it with a first value that comes in a box. Otherwise as
    /// [`open_or_create`](Self::open_or_create).
    ///
    /// # Errors
    ///
    /// As [`open_or_create`](Self::open_or_create).
    pub fn open_or_create_boxed<P: HoldsValue>(
        &self,
        name: &str,
        first: impl Into<P::Boxed>,
    ) -> Result<P, EntryError> {
        let first = first.into();
        let shape = self.boxed_shape::<P>(Some(&first))?;
        self.open_or_create_shaped(name, &shape, || {
            self.create_shaped(name, &shape, |_| Ok(first), P::prepare_boxed)
        })
    }

    /// Creates an entry whose first value `write` makes from zeros, on the heap. Otherwise as
    /// [`create`](Self::create).
    ///
    /// `write` is called before other creators have to wait. It is not called if the entry exists
    /// or the segment has no room for it. A panic in it leaves nothing behind. Nothing passes
    /// through the stack. A snapshot has the default number of reader slots.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    ///
    /// # Examples
    ///
    /// ```
    /// use crossdock::{RwLock, SegmentOptions};
    ///
    /// let segment = SegmentOptions::new().size(16 << 20).anonymous()?;
    /// let prices = segment.create_with::<RwLock<[u64; 1 << 20]>>("prices", |all| all[3] = 7)?;
    /// assert_eq!(prices.read_or_repair(|_| ())?[2..4], [0, 7]);
    /// # Ok::<(), crossdock::Error>(())
    /// ```
    pub fn create_with<P: HoldsValue>(
        &self,
        name: &str,
        write: impl FnOnce(&mut P::Value),
    ) -> Result<P, EntryError>
    where
        P::Value: Zeroable,
    {
        let shape = self.boxed_shape::<P>(None)?;
        let ready = |fits: &dyn Fn() -> Result<(), EntryError>| {
            fits()?;
            let mut first = bytemuck::zeroed_box();
            write(&mut first);
            Ok(P::Boxed::from(first))
        };
        self.create_shaped(name, &shape, ready, P::prepare_boxed)
    }

    /// Opens an entry, or creates it with a first value that `write` makes from zeros, on the heap.
    /// Otherwise as [`open_or_create`](Self::open_or_create) and
    /// [`create_with`](Self::create_with).
    ///
    /// # Errors
    ///
    /// As [`open_or_create`](Self::open_or_create).
    pub fn open_or_create_with<P: HoldsValue>(
        &self,
        name: &str,
        write: impl FnOnce(&mut P::Value),
    ) -> Result<P, EntryError>
    where
        P::Value: Zeroable,
    {
        let shape = self.boxed_shape::<P>(None)?;
        self.open_or_create_shaped(name, &shape, || self.create_with(name, write))
    }

    fn boxed_shape<P: HoldsValue>(&self, first: Option<&P::Boxed>) -> Result<Shape, EntryError> {
        P::shape(P::boxed_words(first), self.mapping.geometry().participants)
            .ok_or_else(|| P::boxed_refused(first))
    }
}
