//! A cashier sends orders to a baker in another process, and then "exit".

use std::error::Error;

use crossdock::queue::Channel;
use crossdock::{Segment, process};

fn cashier(orders: Channel<String>) {
    for order in ["two rolls", "a rye loaf", "twelve buns", "exit"] {
        println!("cashier: {order}");
        let sent = orders.send(&order.to_owned());
        sent.expect("the bakery is open");
    }
}

fn baker(orders: Channel<String>) -> Vec<String> {
    let mut baked = Vec::new();
    loop {
        let order = orders.recv().expect("a cashier is there");
        let order = order.into_inner().expect("it is this baker's"); // and acknowledged
        if order == "exit" {
            return baked;
        }
        println!("baker: {order}");
        baked.push(order);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the cashier and the baker begin, and end, here
    let segment = Segment::anonymous()?;
    let orders = segment.create::<Channel<String>>("orders", 16)?;

    let baker = process::spawn(baker, orders.clone())?;
    let cashier = process::spawn(cashier, orders)?;
    cashier.join()?;
    println!("baked: {}", baker.join()?.join(", "));
    Ok(())
}
