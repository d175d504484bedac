//! The bounds of a message: how deep its value nests, and how many elements take no bytes.

use std::cell::Cell;

use super::{MAX_DEPTH, MAX_EMPTY};
use crate::payload::Cause;

/// Where in a message its reader, or its writer, is, and which of its bounds was exceeded.
#[derive(Debug)]
pub(super) struct Bounds {
    /// To a reader how many bytes are left, to a writer how many there are.
    place: Cell<usize>,
    /// Levels that may still be entered.
    depth: Cell<u32>,
    /// Elements that may still take no bytes.
    empty: Cell<u32>,
    exceeded: Cell<Option<Cause>>,
}

/// What the codec makes an error of. It forgets the words, so the bounds keep them.
type Custom<E> = fn(Cause) -> E;

impl Bounds {
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

    /// Goes one level deeper, until [`leave`](Self::leave).
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

    /// Whether the bytes that are left can hold so many elements.
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
