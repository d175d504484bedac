//! Queues between processes that are killed, stopped, forked and cheated on.

mod caught;
mod model;
mod mpmc;
mod mpmc_deaths;
mod mpmc_expelled;
mod mpmc_garbage;
mod mpmc_model;
mod mpmc_open;
mod mpmc_processes;
mod spsc;
mod wait;
mod wait_any;

#[path = "../support/mod.rs"]
mod support;
