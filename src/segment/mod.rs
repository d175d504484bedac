//! segment
mod error;
