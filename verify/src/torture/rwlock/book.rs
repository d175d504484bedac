//! What many read and one writes: pages that all say the same edition, and the sum of them.

use std::sync::atomic::{Ordering, compiler_fence};

use crossdock::bytemuck::{Pod, Zeroable};

const PAGES: usize = 61;

/// The pages of one edition. The edition that is being written is there before the first page changes,
/// so that whoever comes after a dead writer can finish its work.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Book {
    edition: u64,
    next: u64,
    pages: [u64; PAGES],
    sum: u64,
}
crossdock::payload!(Book, "crossdock-verify.book/1");

/// Keeps the stores before it before those after it: a kill falls between two instructions of the
/// program as it was compiled, not as it was written.
fn in_this_order() {
    compiler_fence(Ordering::SeqCst);
}

/// What is on a page: another number on each, and in each edition.
fn text(edition: u64, page: usize) -> u64 {
    (edition + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ page as u64
}

impl Book {
    pub(super) fn first() -> Self {
        let mut book = Self::zeroed();
        book.print(0, || ());
        book
    }

    pub(super) fn edition(&self) -> u64 {
        self.edition
    }

    /// Whether all pages are of the edition that the book says, and none is being written.
    pub(super) fn is_whole(&self) -> bool {
        let texts = (0..PAGES).map(|page| text(self.edition, page));
        self.next == self.edition
            && self.pages.iter().copied().eq(texts)
            && self.sum == self.pages.iter().fold(0, |sum, page| sum ^ page)
    }

    /// Writes the next edition; calls `dawdle` in the middle.
    pub(super) fn reprint(&mut self, dawdle: impl FnOnce()) {
        self.print(self.edition + 1, dawdle);
    }

    /// Finishes an edition that was cut off, or the last one again; may be cut off itself.
    pub(super) fn repair(&mut self) {
        self.print(self.next, || ());
    }

    fn print(&mut self, edition: u64, dawdle: impl FnOnce()) {
        self.next = edition;
        in_this_order();
        let (first, second) = self.pages.split_at_mut(PAGES / 2);
        for (page, place) in first.iter_mut().enumerate() {
            *place = text(edition, page);
        }
        in_this_order();
        dawdle();
        for (page, place) in second.iter_mut().enumerate() {
            *place = text(edition, PAGES / 2 + page);
        }
        self.sum = self.pages.iter().fold(0, |sum, page| sum ^ page);
        in_this_order();
        self.edition = edition;
    }
}
