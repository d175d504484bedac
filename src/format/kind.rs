//! The kinds of primitive that an entry can be.

/// Defines the kinds after the table.
macro_rules! define {
    ($($(#[$docs:meta])+ $kind:ident = $number:literal, [$($bounds:tt)*] $handle:ty, $($recover:ident)::+, $($ends:ident)::+, $($view:ident)::+;)+) => {
        /// What an entry is. The numbers are part of the byte layout: one is never used for
        /// anything else.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[cfg_attr(feature = "process", derive(serde::Serialize, serde::Deserialize))]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[$docs])+ $kind = $number,)+
        }

        impl Kind {
            pub(crate) const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$kind),)+
                    _ => None,
                }
            }

            /// The kinds of this layout version.
            #[doc(hidden)]
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];
        }
    };
}
kinds!(define);

impl Kind {
    /// Whether the first number of its configuration is a length.
    pub(crate) fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::AtomicArray)
    }
}

impl core::fmt::Display for Kind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}
