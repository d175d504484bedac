//! Queues between processes.
//!
//! [`spsc`] is a ring for one producer and one consumer, wait-free on both sides. Items travel by
//! copy: they are [`NoUninit`](bytemuck::NoUninit) and
//! [`CheckedBitPattern`](bytemuck::CheckedBitPattern), and are checked when they come out.

pub mod spsc;
