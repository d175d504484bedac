//! What follows an attempt in vain.

/// Tries in vain in a row.
#[derive(Debug, Default)]
pub(super) struct Pause(u32);

impl Pause {
    /// After so many, others get the processor.
    const PATIENCE: u32 = 200;

    /// The next try is the first again.
    #[inline(always)]
    pub(super) fn over(&mut self) {
        self.0 = 0;
    }

    /// Pauses; whether others got the processor.
    #[inline]
    pub(super) fn wait(&mut self) -> bool {
        std::hint::spin_loop();
        self.0 += 1;
        let yields = self.0 > Self::PATIENCE;
        if yields {
            self.0 = 0;
            std::thread::yield_now();
        }
        yields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_get_the_processor_after_some_tries_in_a_row() {
        let mut pause = Pause::default();
        assert!((0..200).all(|_| !pause.wait()));
        assert!(pause.wait() && !pause.wait());
        pause.over();
        assert!((0..200).all(|_| !pause.wait()));
    }
}
