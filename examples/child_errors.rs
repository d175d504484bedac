//! Children that fail in four ways, and what their parent is told.

use crossdock::process::{self, Builder, JoinError};

fn panics(product: String) {
    panic!("no {product} left");
}

fn exits(code: i32) {
    std::process::exit(code);
}

/// Waits to be killed.
fn sleeps(_: ()) {
    loop {
        std::thread::park();
    }
}

fn returns_an_error(number: String) -> Result<u32, std::num::ParseIntError> {
    number.parse()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::init(); // the children begin, and end, here
    match process::spawn(panics, "flour".to_owned())?.join() {
        Err(JoinError::Panicked(panic)) => println!("panicked: {}", panic.message()),
        other => println!("unexpected: {other:?}"),
    }
    match process::spawn(exits, 3)?.join() {
        Err(JoinError::Exited { code }) => println!("exited with code {code}"),
        other => println!("unexpected: {other:?}"),
    }
    // A daemon, which ends with this process if that does not come to kill it.
    let sleeper = Builder::new().daemon(true).spawn(sleeps, ())?;
    sleeper.kill()?;
    match sleeper.join() {
        Err(JoinError::Killed { signal }) => println!("killed by signal {signal}"),
        other => println!("unexpected: {other:?}"),
    }
    match process::try_spawn(returns_an_error, "twelve".to_owned())?.join() {
        Err(JoinError::Failed(error)) => println!("returned an error: {error}"),
        other => println!("unexpected: {other:?}"),
    }
    Ok(())
}
