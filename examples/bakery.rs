//! A cashier puts orders on a queue, and then "exit"; a baker takes them until "exit".

use crossdock::process;
use crossdock::queue::{Receiver, Sender, channel};

fn cashier(orders: Sender<String>) -> Result<(), crossdock::Error> {
    for order in ["Baguette", "Ciabatta", "Sourdough", "exit"] {
        orders.send(&order.to_owned())?;
    }
    Ok(())
}

fn baker(orders: Receiver<String>) -> Result<(), crossdock::Error> {
    loop {
        // An error if the cashier has gone without "exit", however it went.
        let order = orders.recv()?.into_inner()?; // and acknowledged
        if order == "exit" {
            println!("Bakery is closed for the day.");
            return Ok(());
        }
        println!("Baker: Preparing {order} bread");
    }
}

fn main() -> Result<(), crossdock::Error> {
    process::init(); // the cashier and the baker begin, and end, here
    let (sender, receiver) = channel::<String>(16)?;
    let cashier = process::spawn(cashier, sender)?;
    let baker = process::spawn(baker, receiver)?;
    cashier.join()??;
    baker.join()??;
    Ok(())
}
