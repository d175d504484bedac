//! A cashier sends orders to a baker in another process, and then "exit".

use crossdock::process;
use crossdock::queue::{Receiver, Sender, channel};

fn cashier(orders: Sender<String>) {
    for order in ["two rolls", "a rye loaf", "twelve buns", "exit"] {
        println!("cashier: {order}");
        let sent = orders.send(&order.to_owned());
        sent.expect("the bakery is open");
    }
}

fn baker(orders: Receiver<String>) -> Result<Vec<String>, crossdock::Error> {
    let mut baked = Vec::new();
    loop {
        // An error if the last cashier has gone without "exit", however it went.
        let order = orders.recv()?.into_inner()?; // and acknowledged
        if order == "exit" {
            return Ok(baked);
        }
        println!("baker: {order}");
        baked.push(order);
    }
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the cashier and the baker begin, and end, here
    let (sender, receiver) = channel::<String>(16)?;

    let baker = process::spawn(baker, receiver)?;
    let cashier = process::spawn(cashier, sender)?;
    cashier.join()?;
    println!("baked: {}", baker.join()??.join(", "));
    Ok(())
}
