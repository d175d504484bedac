//! What the crate `tracing` is told, with the feature of that name.

mod locks;
mod messages;
mod processes;
mod support;
mod uses;

#[test]
fn crossdock_worker() {
    support::record();
    crossdock::process::init();
}
