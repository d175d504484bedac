//! A baker is killed after it took an order, and another one bakes it.

use std::error::Error;

use crossdock::queue::{Receiver, Sender, channel};
use crossdock::{Counter, Segment, process};

const ORDERS: [&str; 3] = ["two rolls", "a rye loaf", "twelve buns"];

fn cashier(orders: Sender<String>) {
    for order in ORDERS {
        let sent = orders.send(&order.to_owned());
        sent.expect("the bakery is open");
    }
} // with the last sender the orders end

/// Takes an order and never bakes it.
fn unlucky((orders, received): (Receiver<String>, Counter)) {
    let _order = orders.recv().expect("a cashier is there");
    received.add(1);
    loop {
        std::thread::park(); // until it is killed
    }
}

/// Bakes until no order can come any more. Says what it baked, and at which attempt.
fn baker(orders: Receiver<String>) -> Vec<(String, u8)> {
    let mut baked = Vec::new();
    for order in &orders {
        let order = order.expect("an order");
        let attempt = order.attempt();
        let order = order.into_inner().expect("it is this baker's"); // and acknowledged
        baked.push((order, attempt));
    }
    baked
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let received = segment.create::<Counter>("received", 0)?;

    let (sender, orders) = channel::<String>(16)?;
    let cashier = process::spawn(cashier, sender)?;
    let first = process::spawn(unlucky, (orders.clone(), received.clone()))?;
    while received.load() == 0 {
        std::thread::yield_now();
    }
    first.kill()?;
    println!("the first baker: {}", first.join().unwrap_err());

    let second = process::spawn(baker, orders)?;
    cashier.join()?;
    let mut baked = second.join()?;
    for (order, attempt) in &baked {
        println!("the second baker: {order}, attempt {attempt}");
    }
    baked.sort(); // the order that came again may come after others
    let expected = [("a rye loaf", 1), ("twelve buns", 1), ("two rolls", 2)];
    assert_eq!(baked, expected.map(|(order, n)| (order.to_owned(), n)));
    Ok(())
}
