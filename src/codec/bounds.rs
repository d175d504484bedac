//! The bounds of a message: the depth of its value, and the number of elements that take no
//! bytes.

use std::cell::Cell;

use super::{MAX_DEPTH, MAX_EMPTY};
use crate::payload::Cause;

/// The position of a message's reader or writer, its bounds, and the bound that was exceeded.
#[derive(Debug)]
pub(super) struct Bounds {
    /// For a reader the number of bytes left, for a writer the number of bytes written.
    place: Cell<usize>,
    /// The levels that may still be entered.
    depth: Cell<u32>,
    /// The elements that may still take no bytes.
    empty: Cell<u32>,
    exceeded: Cell<Option<Cause>>,
}

/// The codec's error constructor. The codec drops the text, so the bounds keep the cause.
type Custom<E> = fn(Cause) -> E;

impl Bounds {
    #[inline]
    pub(super) fn new(place: usize) -> Self {
        Self {
            place: Cell::new(place),
            depth: Cell::new(MAX_DEPTH),
            empty: Cell::new(MAX_EMPTY),
            exceeded: Cell::new(None),
        }
    }

    #[inline]
    pub(super) fn place(&self) -> usize {
        self.place.get()
    }

    #[inline]
    pub(super) fn set_place(&self, place: usize) {
        self.place.set(place);
    }

    pub(super) fn exceeded(&self) -> Option<Cause> {
        self.exceeded.get()
    }

    #[cold]
    fn refuse<E>(&self, custom: Custom<E>, exceeded: Cause) -> E {
        self.exceeded.set(Some(exceeded));
        custom(exceeded)
    }

    /// Enters one level, until [`leave`](Self::leave).
    #[inline]
    pub(super) fn enter<E>(&self, custom: Custom<E>) -> Result<(), E> {
        match self.depth.get().checked_sub(1) {
            Some(below) => {
                self.depth.set(below);
                Ok(())
            }
            None => Err(self.refuse(custom, Cause::Depth(MAX_DEPTH))),
        }
    }

    #[inline]
    pub(super) fn leave(&self) {
        self.depth.set(self.depth.get() + 1);
    }

    /// Runs `f` one level deeper.
    #[inline]
    pub(super) fn nested<T, E>(
        &self,
        custom: Custom<E>,
        f: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.enter(custom)?;
        let result = f();
        self.leave();
        result
    }

    /// Fails if the bytes that are left cannot hold `elements` elements.
    pub(super) fn check_length<E>(
        &self,
        custom: Custom<E>,
        elements: Option<usize>,
    ) -> Result<(), E> {
        let bytes = self.place();
        match elements {
            Some(elements) if elements > bytes.saturating_add(self.empty.get() as usize) => {
                Err(self.refuse(custom, Cause::Length { elements, bytes }))
            }
            _ => Ok(()),
        }
    }

    /// Counts an element that begins at `before`, if it took no bytes.
    #[inline]
    pub(super) fn count_element<E>(&self, custom: Custom<E>, before: usize) -> Result<(), E> {
        if self.place() != before {
            return Ok(());
        }
        match self.empty.get().checked_sub(1) {
            Some(empty) => {
                self.empty.set(empty);
                Ok(())
            }
            None => Err(self.refuse(custom, Cause::Empty(MAX_EMPTY))),
        }
    }
}
