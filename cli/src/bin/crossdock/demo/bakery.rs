//! The bakery: a cashier, a baker, orders as strings, and then "exit".

use crossdock::process;
use crossdock::queue::{Channel, ReceiverOf, SenderOf};
use serde::{Deserialize, Serialize};

use super::Failure;
use super::driver::{self, Labels, Plan};
use super::ledger::Outcome;
use super::place::{self, Ended, Place};
use super::report::Report;

const GOODS: [&str; 6] = [
    "rolls",
    "rye bread",
    "croissants",
    "cinnamon buns",
    "pretzels",
    "apple pie",
];
const EXIT: &str = "exit";

const LABELS: Labels = Labels {
    demo: "bakery",
    sender: "cashier",
    worker: "baker",
    message: "order",
    done: "baked",
};

fn order(number: u32) -> String {
    let goods = GOODS[(number as usize - 1) % GOODS.len()];
    format!("order {number} ({goods})")
}

#[derive(Serialize, Deserialize)]
struct Till {
    orders: u32,
    sender: SenderOf<Channel<String>>,
    place: Place<String>,
}

#[derive(Serialize, Deserialize)]
struct Oven {
    id: u32,
    /// The order that this baker holds when it is killed.
    fatal: Vec<String>,
    receiver: ReceiverOf<Channel<String>>,
    place: Place<String>,
}

fn take_orders(till: Till) -> Ended {
    let Till { sender, place, .. } = &till;
    for number in 1..=till.orders {
        let order = order(number);
        place.say(format!("cashier: {order}"))?;
        place.send(sender, &order)?;
    }
    // A redelivered order may come after orders that were sent later, but not after "exit".
    place.wait_until_done()?;
    place.say(format!("cashier: {EXIT}"))?;
    place.send(sender, &EXIT.to_owned())
}

fn bake(oven: Oven) -> Ended {
    let Oven {
        id,
        fatal,
        receiver,
        place,
    } = oven;
    while let Some(held) = place::next(&receiver)? {
        let order = held.clone();
        let attempt = held.attempt();
        if order == EXIT {
            held.ack().map_err(|error| error.to_string())?;
            return place.say(format!("baker {id}: goes home"));
        }
        if attempt == 1 && fatal.contains(&order) {
            place.wait_to_be_killed(id, &order)?;
        }
        let line = driver::line(LABELS.worker, id, &format!("baked {order}"), attempt);
        place.done(held, order, line)?;
    }
    Err("the cashier went without a word".to_owned())
}

pub(super) fn run(orders: u32, kills: u32, report: &Report) -> Result<Outcome, Failure> {
    let plan = Plan::new(LABELS, (1..=orders).map(order).collect(), 1, kills);
    let place = Place::new()?;
    let (sender, receiver) = place.ends()?;
    let cashier = || {
        let till = Till {
            orders,
            sender,
            place: place.clone(),
        };
        Ok(process::Builder::new()
            .daemon(true)
            .spawn(take_orders, till)?)
    };
    let baker = |id| {
        let oven = Oven {
            id,
            fatal: plan.fatal.clone(),
            receiver: receiver.clone(),
            place: place.clone(),
        };
        Ok(process::Builder::new().daemon(true).spawn(bake, oven)?)
    };
    let outcome = driver::run(&plan, &place, report, cashier, baker)?;
    report.finish(&LABELS, &outcome);
    Ok(outcome)
}
