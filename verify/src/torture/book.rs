//! What many read and one writes: pages that all say the same edition, and the sum of them.

use crossdock::bytemuck::{Pod, Zeroable};

use crate::torture::in_this_order;

const PAGES: usize = 61;

/// The pages of one edition. The edition that is being written is there before the first page
/// changes, so that the writer after a dead one can finish its work.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Book {
    edition: u64,
    next: u64,
    pages: [u64; PAGES],
    sum: u64,
}
crossdock::payload!(Book, "crossdock-verify.book/1");

/// What is on a page: another number on each, and in each edition.
fn text(edition: u64, page: usize) -> u64 {
    (edition + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ page as u64
}

impl Book {
    pub(crate) fn first() -> Self {
        let mut book = Self::zeroed();
        book.print(0, || ());
        book
    }

    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    /// Whether all pages are of the edition that the book says, and none is being written.
    pub(crate) fn is_whole(&self) -> bool {
        let texts = (0..PAGES).map(|page| text(self.edition, page));
        self.next == self.edition
            && self.pages.iter().copied().eq(texts)
            && self.sum == self.pages.iter().fold(0, |sum, page| sum ^ page)
    }

    /// Writes the next edition; calls `dawdle` in the middle.
    pub(crate) fn reprint(&mut self, dawdle: impl FnOnce()) {
        self.print(self.edition + 1, dawdle);
    }

    /// Finishes an edition that was cut off, or the last one again; may be cut off itself.
    pub(crate) fn repair(&mut self) {
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
