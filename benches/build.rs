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
    println!("cargo::rustc-check-cfg=cfg(boost_locks)");
    println!("cargo::rustc-check-cfg=cfg(boost_map)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    #[cfg(feature = "foreign")]
    boost(
        "queues",
        "src/peers/queues/boost.cpp",
        "ipc/message_queue.hpp",
        "boost",
    );
    #[cfg(feature = "boost")]
    boost(
        "locks",
        "src/peers/locks/boost.cpp",
        "sync/interprocess_mutex.hpp",
        "boost_locks",
    );
    #[cfg(feature = "stores")]
    boost(
        "map",
        "src/objects/boost.cpp",
        "containers/map.hpp",
        "boost_map",
    );
}

/// Builds calls of Boost.Interprocess. Without a C++ compiler, or without its headers, the program
/// does without, and has no such `cfg`.
#[cfg(any(feature = "boost", feature = "foreign", feature = "stores"))]
fn boost(library: &str, source: &str, header: &str, cfg: &str) {
    println!("cargo::rerun-if-changed={source}");
    println!("cargo::rerun-if-changed=/usr/include/boost/interprocess/{header}");
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").opt_level(3).file(source);
    // What it cannot build it says in many words, which are no warning of ours.
    build.cargo_warnings(false);
    if build
        .try_compile(&format!("compare_boost_{library}"))
        .is_ok()
    {
        println!("cargo::rustc-cfg={cfg}");
    }
}
