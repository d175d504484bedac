//! `inspect` and `peek`, as a user runs them, with a real process that holds things.

mod command;

use std::time::Duration;

use crossdock::queue::WorkQueue;
use crossdock::sync::Event;
use crossdock::{AtomicArray, Counter, FixedStr, Mutex, SegmentOptions, process};

use command::{crossdock, json, printed, refused};

type Held = (Mutex<u32>, WorkQueue<u32>, Event);

#[test]
fn crossdock_worker() {
    process::init();
}

/// Holds a lock and a message until it is killed.
fn hold((stock, orders, ready): Held) {
    let _guard = stock.lock().expect("locked");
    let _order = orders.recv().expect("an order");
    ready.set();
    loop {
        std::thread::park();
    }
}

#[test]
fn what_a_process_holds_is_shown_with_it_and_values_are_text() {
    process::init_test("crossdock_worker");
    let name = format!("look-{}", std::process::id());
    let options = SegmentOptions::new().size(1 << 18).participants(8);
    let segment = options.create_new(&name).expect("created");
    let stock = segment.create::<Mutex<u32>>("stock", 12).expect("made");
    let orders = segment.create::<WorkQueue<u32>>("orders", 8).expect("made");
    let total = segment.create::<Counter<i64>>("total", -5).expect("made");
    let greeting = FixedStr::<12>::new("good day").expect("short");
    segment
        .create::<Mutex<FixedStr<12>>>("greeting", greeting)
        .expect("made");
    segment
        .create::<AtomicArray<u16>>("numbers", vec![7, 8])
        .expect("made");
    for order in [41, 42] {
        orders.send(order).expect("sent");
    }
    let ready = segment.create::<Event>("ready", false).expect("made");
    let worker = process::spawn(hold, (stock, orders, ready.clone())).expect("spawned");
    ready
        .wait_timeout(Duration::from_secs(60))
        .expect("it holds both");
    let pid = worker.id();

    let all = printed(&["inspect", &name]);
    assert!(all.lines().all(|line| line.chars().count() <= 80), "{all}");
    let first = all.lines().next().expect("a line");
    assert!(
        first.starts_with(&name) && first.contains("256 KiB"),
        "{all}"
    );
    assert!(all.contains(&format!("pid {pid} ")), "{all}");
    assert!(all.contains("orders  WorkQueue<u32> of 4 B"), "{all}");
    let one = printed(&["inspect", &name, "orders"]);
    assert!(one.contains("waiting 1  held 1"), "{one}");
    assert!(one.contains(&format!("(pid {pid} ")), "{one}");

    let seen = json(&printed(&["inspect", &name, "--json"]));
    let entries = seen["entries"].as_array().expect("a list");
    assert_eq!(entries.len(), 6);
    let participants = seen["participants"].as_array().expect("a list");
    let of_worker = participants.iter().find(|one| one["pid"] == pid);
    let id = &of_worker.expect("it takes part")["id"];
    let entry = |at: &str| json(&printed(&["inspect", &name, at, "--json"]));
    assert_eq!(&entry("stock")["fields"]["holder"], id);
    assert_eq!(&entry("orders")["fields"]["in work"][0]["held by"], id);
    assert_eq!(entry("total")["fields"]["value"], total.load());

    let peeked = |at: &str| json(&printed(&["peek", &name, at, "--json"]))["values"].clone();
    assert_eq!(peeked("stock")[0]["text"], "12");
    assert_eq!(peeked("stock")[0]["hex"], "0c 00 00 00");
    assert_eq!(peeked("greeting")[0]["text"], "\"good day\"");
    assert_eq!(peeked("numbers")[1]["text"], "8");
    let labels: Vec<_> = peeked("orders").as_array().expect("a list").clone();
    let labels: Vec<_> = labels.iter().map(|one| one["label"].clone()).collect();
    assert_eq!(labels, ["held by", "waiting"]);
    let shown = printed(&["peek", &name, "total"]);
    assert!(
        shown.contains("-5") && shown.contains("fb ff ff"),
        "{shown}"
    );

    worker.kill().expect("killed");
    assert!(worker.join().is_err());
    let dead = printed(&["inspect", &name, "stock"]);
    assert!(dead.contains(&format!("(pid {pid}, dead)")), "{dead}");
    segment.unlink().expect("removed");
}

#[test]
fn what_is_not_there_is_one_line() {
    refused(&["inspect"]);
    refused(&["peek", "alone"]);
    let name = format!("look-no-{}", std::process::id());
    for arguments in [
        &["inspect", &name][..],
        &["inspect", "a/b"],
        &["inspect", "/dev/null"],
        &["peek", &name, "entry"],
    ] {
        let output = crossdock(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    }
    let options = SegmentOptions::new().size(1 << 18);
    let segment = options.create_new(&name).expect("created");
    let output = crossdock(&["inspect", &name, "absent"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let printed = printed(&["inspect", &name]);
    assert_eq!(printed.lines().count(), 2, "{printed}");
    segment.unlink().expect("removed");
}

#[cfg(not(feature = "top"))]
#[test]
fn a_command_without_top_says_how_to_get_it() {
    refused(&["top"]);
    let output = crossdock(&["top", "warehouse"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("cargo install --path cli --features top"),
        "{said}"
    );
}
