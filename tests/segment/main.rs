//! Segments, their registry and their directory, tried from the outside by real processes.

mod alive;
mod descriptors;
mod directory;
mod entries;
mod found;
mod garbage;
#[cfg(feature = "process")]
mod kinds;
mod life;
mod lost;
mod names;
mod options;
mod presence;
mod registry;
mod standard;
mod surroundings;

#[path = "../support/mod.rs"]
mod support;

/// An error and what caused it, as programs print it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let words: Vec<_> = causes.map(ToString::to_string).collect();
    words.join(": ")
}
