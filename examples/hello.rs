//! One process prints a greeting; another says its own name.

use crossdock::process;

fn greet(language: String) {
    println!("Hello !! Welcome to {language} Tutorial");
}

fn say_name(_: ()) {
    println!("Hello from process {}", process::current().name());
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the processes begin, and end, here
    let named = process::spawn(say_name, ())?;
    let greeter = process::spawn(greet, "Rust".to_owned())?;
    named.join()?;
    greeter.join()?;
    Ok(())
}
