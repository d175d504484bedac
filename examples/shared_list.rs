//! A list of squares that another process makes longer.

use crossdock::{List, Segment, process};

fn append((list, value): (List<u64>, u64)) {
    list.push(&value).expect("the list has room");
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the other process begins, and ends, here
    let list = Segment::anonymous()?.create::<List<u64>>("squares", 100)?;
    list.extend((0..10).map(|number| number * number))?;
    println!("{list:?}");
    println!("{:?}", list.slice(2..5)?);

    process::spawn(append, (list.clone(), 100))?.join()?;
    println!("{list:?}");
    Ok(())
}
