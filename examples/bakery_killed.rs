//! A baker is killed with an order in hand, and another one bakes it.

use std::error::Error;

use crossdock::queue::Channel;
use crossdock::{Counter, Segment, process};

const ORDERS: [&str; 3] = ["two rolls", "a rye loaf", "twelve buns"];

fn cashier(orders: Channel<String>) {
    for order in ORDERS {
        let sent = orders.send(&order.to_owned());
        sent.expect("the bakery is open");
    }
    // Until every order is baked, and acknowledged, by whatever baker.
    orders.wait_idle().expect("the bakery is open");
    orders.send(&"exit".to_owned()).expect("the bakery is open");
}

/// Takes an order and never bakes it.
fn unlucky((orders, in_hand): (Channel<String>, Counter)) {
    let _order = orders.recv().expect("a cashier is there");
    in_hand.add(1);
    loop {
        std::thread::park(); // until it is killed
    }
}

/// Bakes until "exit". Says what it baked, and at which attempt.
fn baker(orders: Channel<String>) -> Vec<(String, u8)> {
    let mut baked = Vec::new();
    loop {
        let order = orders.recv().expect("a cashier is there");
        let attempt = order.attempt();
        let order = order.into_inner().expect("it is this baker's"); // and acknowledged
        if order == "exit" {
            return baked;
        }
        baked.push((order, attempt));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    process::init(); // the other processes begin, and end, here
    let segment = Segment::anonymous()?;
    let orders = segment.create::<Channel<String>>("orders", 16)?;
    let in_hand = segment.create::<Counter>("in hand", 0)?;

    let cashier = process::spawn(cashier, orders.clone())?;
    let first = process::spawn(unlucky, (orders.clone(), in_hand.clone()))?;
    while in_hand.load() == 0 {
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
