//! The hot paths of crossdock, one at a time, for `cargo xtask counts`.
//!
//! Called without arguments it prints `operations N`, how often each operation is counted, and a
//! line `path NAME` for each path. Called with a name it makes a segment, runs that path's
//! operation a few times, so that nothing is done for the first time any more, and then N times
//! within `measured`. A process that counts sets the counts to zero when `measured` is entered, and
//! counts from the first instruction of the path's function in `counted` to its last.

mod counted;

use std::env;
use std::hint::black_box;
use std::process::ExitCode;

use counted::{Operation, PATHS, World};

/// How often an operation is counted.
const OPERATIONS: u32 = 100;
/// How often it runs before.
const WARM_UP: u32 = 10;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let name = match arguments.as_slice() {
        [] => {
            println!("operations {OPERATIONS}");
            for (name, _) in PATHS {
                println!("path {name}");
            }
            return ExitCode::SUCCESS;
        }
        [name] => name,
        _ => {
            eprintln!("crossdock: expected the name of one path, found {arguments:?}");
            return ExitCode::from(2);
        }
    };
    let Some((_, operation)) = PATHS.iter().find(|(path, _)| path == name) else {
        let known: Vec<&str> = PATHS.iter().map(|(path, _)| *path).collect();
        eprintln!(
            "crossdock: expected a path, one of {}; found {name}",
            known.join(", ")
        );
        return ExitCode::from(2);
    };
    let world = match World::new() {
        Ok(world) => world,
        Err(error) => {
            eprintln!("crossdock: the segment could not be made: {error}");
            return ExitCode::FAILURE;
        }
    };
    if warmed_up(*operation, &world) && measured(*operation, &world) {
        return ExitCode::SUCCESS;
    }
    eprintln!("crossdock: {name} did not do what it is named for");
    ExitCode::FAILURE
}

/// Runs the operation before anything is counted.
#[inline(never)]
fn warmed_up(operation: Operation, world: &World) -> bool {
    (0..WARM_UP).all(|_| black_box(operation)(black_box(world)))
}

/// Runs the operation as often as it is counted.
#[inline(never)]
fn measured(operation: Operation, world: &World) -> bool {
    (0..OPERATIONS).all(|_| black_box(operation)(black_box(world)))
}
