//! Payload names with a number in them.

use crate::payload::Payload;

/// The number of decimal digits of `usize::MAX`.
const DIGITS: usize = 20;
/// The length of the longest name.
const LONGEST: usize = 40;

/// A name such as `FixedStr<16>`, made at compile time.
pub(super) struct NumberedName {
    bytes: [u8; LONGEST],
    len: usize,
}

impl NumberedName {
    /// Makes the name `TYPE<NUMBER>`.
    pub(super) const fn new(type_name: &str, number: usize) -> Self {
        let name = Self {
            bytes: [0; LONGEST],
            len: 0,
        };
        let (digits, count) = decimal(number);
        let (_, digits) = digits.split_at(DIGITS - count);
        name.with(type_name.as_bytes())
            .with(b"<")
            .with(digits)
            .with(b">")
    }

    const fn with(mut self, bytes: &[u8]) -> Self {
        let mut rest = bytes;
        while let [first, others @ ..] = rest {
            self.bytes[self.len] = *first;
            self.len += 1;
            rest = others;
        }
        self
    }

    pub(super) const fn as_str(&self) -> &str {
        let (name, _) = self.bytes.split_at(self.len);
        match str::from_utf8(name) {
            Ok(name) => name,
            Err(_) => panic!("a name is made of text"),
        }
    }
}

/// Returns the digits of a number, right-aligned, and their count.
const fn decimal(number: usize) -> ([u8; DIGITS], usize) {
    const DIGIT: &[u8; 10] = b"0123456789";
    let (mut digits, mut count, mut rest) = ([0; DIGITS], 0, number);
    loop {
        count += 1;
        digits[DIGITS - count] = DIGIT[rest % 10];
        rest /= 10;
        if rest == 0 {
            return (digits, count);
        }
    }
}

impl<const N: usize> super::FixedStr<N> {
    const NUMBERED: NumberedName = NumberedName::new("FixedStr", N);
}

impl<const N: usize> super::FixedBytes<N> {
    const NUMBERED: NumberedName = NumberedName::new("FixedBytes", N);
}

/// The name contains the number, for instance `FixedStr<16>`.
impl<const N: usize> Payload for super::FixedStr<N> {
    const NAME: &'static str = Self::NUMBERED.as_str();
}

/// The name contains the number, for instance `FixedBytes<16>`.
impl<const N: usize> Payload for super::FixedBytes<N> {
    const NAME: &'static str = Self::NUMBERED.as_str();
}
