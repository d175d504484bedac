//! The studies: `cargo xtask compare` and `cargo xtask measure`.

use std::process::ExitCode;

fn main() -> ExitCode {
    benches::main()
}
