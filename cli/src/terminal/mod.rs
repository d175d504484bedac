//! What the programs that measure share at a terminal: options of runs, lists, and tables.

pub mod lists;
pub mod runs;
pub mod tables;
