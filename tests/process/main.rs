//! Processes that are spawned, joined, killed and lost.

mod alone;
mod ends;
mod harness;
mod results;
mod segments;
mod support;

#[test]
fn crossdock_worker() {
    crossdock::process::init();
}
