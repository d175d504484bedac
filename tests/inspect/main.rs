//! Looks at segments from outside, beside real processes.

mod overview;

#[path = "../support/mod.rs"]
mod support;

#[test]
fn crossdock_worker() {
    crossdock::process::init();
}
