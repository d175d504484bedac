//! Processes that are spawned, joined, killed and lost.

mod alone;
mod bound;
mod builder;
mod conn;
mod ends;
mod failures;
mod family;
mod fork_server;
mod hand_over;
mod hand_over_refused;
mod harness;
mod listen;
mod many;
mod membarrier;
mod names;
mod objects;
mod panics;
mod pollable;
mod pool;
mod results;
mod scope;
mod segments;
mod shortage;
mod signals;
mod support;
mod travel;
mod wait;
mod wait_any;

#[test]
fn crossdock_worker() {
    crossdock::process::init();
}
