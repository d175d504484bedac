//! Keeps the compiler's version for the report, and builds what is C++ where its headers are.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc)
        .arg("--version")
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_else(|_| "unknown".into());
    println!("cargo::rustc-env=CROSSDOCK_RUSTC={version}");
    println!("cargo::rustc-check-cfg=cfg(boost)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    #[cfg(feature = "foreign")]
    boost();
}

/// Builds the calls of Boost's message_queue. Without a C++ compiler, or without its headers, the
/// program does without.
#[cfg(feature = "foreign")]
fn boost() {
    const SOURCE: &str = "src/peers/queues/boost.cpp";
    const HEADER: &str = "/usr/include/boost/interprocess/ipc/message_queue.hpp";
    println!("cargo::rerun-if-changed={SOURCE}");
    println!("cargo::rerun-if-changed={HEADER}");
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").opt_level(3).file(SOURCE);
    // What it cannot build it says in many words, which are no warning of ours.
    build.cargo_warnings(false);
    if build.try_compile("compare_boost").is_ok() {
        println!("cargo::rustc-cfg=boost");
    }
}
