//! Segments, their registry and their directory, tried from the outside by real processes.

mod alive;
mod descriptors;
mod directory;
mod entries;
mod found;
mod garbage;
mod life;
mod names;
mod options;
mod presence;
mod registry;
mod standard;
mod surroundings;

#[path = "../support/mod.rs"]
mod support;
