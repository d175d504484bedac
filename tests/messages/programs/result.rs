//! A struct without serde's derives, in a result.
//~ error[E0277]: `Vec<Baked>` cannot be passed to another process
//~ note: a type of your own: `#[derive(serde::Serialize, serde::Deserialize)]`

use crossdock::process;

struct Baked {
    _loaves: u32,
}

fn bake(loaves: u32) -> Vec<Baked> {
    vec![Baked { _loaves: loaves }]
}

fn main() {
    let _ = process::spawn(bake, 4);
}
