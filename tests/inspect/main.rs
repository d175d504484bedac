//! Looks at segments from outside, beside real processes.

mod counts;
mod overview;
mod pool;
mod stats;
mod untouched;
mod views;

#[path = "../support/mod.rs"]
mod support;

#[test]
fn crossdock_worker() {
    crossdock::process::init();
}
