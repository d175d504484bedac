//! What threads share, as an argument of another process.
//~ error[E0277]: `Arc<std::sync::Mutex<u64>>` cannot be passed to another process
//~ note: a reference, guard, `Rc`, `Arc` or file belongs to one process: pass values
//~ note: memory that both processes use: pass a `Segment`, or a handle such as `crossdock::Mutex<T>`

use std::sync::{Arc, Mutex};

use crossdock::process;

fn add(total: Arc<Mutex<u64>>) {
    *total.lock().unwrap() += 1;
}

fn main() {
    let _ = process::spawn(add, Arc::new(Mutex::new(0)));
}
