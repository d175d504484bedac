//! Four processes, one dish each.

use crossdock::process;

fn cook(dish: String) {
    println!("person {} is cooking {dish}…", process::current().name());
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the cooks begin, and end, here
    let mut cooks = Vec::new();
    for dish in ["salad", "soup", "main course", "dessert"] {
        cooks.push(process::spawn(cook, dish.to_owned())?);
    }
    for cook in cooks {
        cook.join()?;
    }
    Ok(())
}
