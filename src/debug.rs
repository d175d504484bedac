//! `Debug` of what cannot derive it: handles and guards, by what they say of themselves.

/// Implements `Debug` for a type, after its docs and, in brackets, its generics: its name, and
/// fields with their values. `..` says that there is more, as does a type without fields.
macro_rules! debug {
    ($(#[$meta:meta])* $([$($generic:tt)*])? $name:ident $(<$($arg:tt),+>)?) => {
        debug!($(#[$meta])* $([$($generic)*])? $name $(<$($arg),+>)?, |_this| { .. });
    };
    (
        $(#[$meta:meta])* $([$($generic:tt)*])? $name:ident $(<$($arg:tt),+>)?,
        |$this:ident| { $($field:ident: $value:expr,)* .. }
    ) => {
        debug!(@impl finish_non_exhaustive, $(#[$meta])* [$($($generic)*)?] [$name $(<$($arg),+>)?]
            stringify!($name), $this, $($field: $value,)*);
    };
    (
        $(#[$meta:meta])* $([$($generic:tt)*])? $name:ident $(<$($arg:tt),+>)?,
        |$this:ident| { $($field:ident: $value:expr),+ $(,)? }
    ) => {
        debug!(@impl finish, $(#[$meta])* [$($($generic)*)?] [$name $(<$($arg),+>)?]
            stringify!($name), $this, $($field: $value,)*);
    };
    (
        @impl $finish:ident, $(#[$meta:meta])* [$($generic:tt)*] [$type:ty]
        $name:expr, $this:ident, $($field:ident: $value:expr,)*
    ) => {
        $(#[$meta])*
        impl<$($generic)*> ::std::fmt::Debug for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                let $this = self;
                f.debug_struct($name)$(.field(stringify!($field), &$value))*.$finish()
            }
        }
    };
}
