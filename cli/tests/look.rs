//! `inspect` and `peek`, as a user runs them, with a real process that holds things.

mod command;

use std::time::Duration;

use crossdock::queue::WorkQueue;
use crossdock::sync::Event;
use crossdock::{AtomicArray, Counter, FixedStr, Manager, Mutex, Segment, SegmentOptions, process};

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
fn objects_of_a_manager_are_shown_as_entries_are() {
    let name = format!("look-manager-{}", std::process::id());
    let options = SegmentOptions::new().size(1 << 18).participants(8);
    let segment = options.create_new(&name).expect("created");
    let shop = segment.create::<Manager>("shop", 1 << 14).expect("made");
    let open = shop.create::<Counter<i64>>("open", -7).expect("made");
    let list = shop.list::<u32>("list", 8).expect("made");
    list.push(&3).expect("room");
    let all = printed(&["inspect", &name]);
    assert!(all.lines().all(|line| line.chars().count() <= 80), "{all}");
    for line in ["shop/open  Counter<i64> of 8 B", "shop/list  List<u32>  "] {
        assert!(all.contains(line), "{line}: {all}");
    }
    let seen = json(&printed(&["inspect", &name, "--json"]));
    assert_eq!(seen["entries"].as_array().map(Vec::len), Some(3));
    assert_eq!(seen["more_entries"], 0);
    let one = json(&printed(&["inspect", &name, "shop/list", "--json"]));
    assert_eq!(
        (&one["name"], &one["kind"]),
        (&"shop/list".into(), &"List".into())
    );
    assert_eq!(one["fields"]["length"], 1);
    let value = json(&printed(&["peek", &name, "shop/open", "--json"]));
    assert_eq!(value["values"][0]["text"], "-7");
    let output = crossdock(&["inspect", &name, "shop/absent"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    drop(open);
    segment.unlink().expect("removed");
}

fn wait_for((began, end): (Counter, Event)) -> u64 {
    let number = began.add_and_notify(1);
    end.wait().expect("no fault");
    number
}

#[test]
fn a_pool_is_found_by_its_inode_with_its_running_tasks() {
    process::init_test("crossdock_worker");
    let segment = Segment::anonymous().expect("a segment");
    let began = segment.create::<Counter>("began", 0).expect("made");
    let end = segment.create::<Event>("end", false).expect("made");
    let pool = process::Pool::builder().workers(1).build().expect("built");
    let task = pool.submit(wait_for, (began.clone(), end.clone()));
    let task = task.expect("submitted");
    began.wait_until(|began| began == 1).expect("it begins");
    let listed = json(&printed(&["ls", "--all", "--json"]));
    let rows = listed["segments"].as_array().expect("a list");
    let own = serde_json::Value::from(std::process::id());
    let names = rows.iter().filter(|row| {
        let pids = row["pids"].as_array();
        pids.is_some_and(|pids| pids.contains(&own))
    });
    let mut names = names.filter_map(|row| row["name"].as_str());
    let (name, shown) = names
        .find_map(|name| {
            let output = crossdock(&["inspect", name, "running"]);
            let shown = String::from_utf8(output.stdout).expect("UTF-8");
            output.status.success().then_some((name, shown))
        })
        .expect("the pool's segment is listed");
    let worker = format!("(pid {} ", pool.worker_ids()[0]);
    assert!(shown.contains("running 1  queued 0"), "{shown}");
    let row = shown
        .lines()
        .find(|line| line.contains("worker "))
        .expect("a row");
    assert!(row.contains("task 1") && row.contains(&worker), "{shown}");
    assert!(
        shown.contains("attempt 1") && shown.contains("age ms "),
        "{shown}"
    );
    assert!(
        shown.lines().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
    let healthy = crossdock(&["doctor", name]);
    assert!(healthy.status.success(), "{healthy:?}");
    let metrics = printed(&["metrics", name]);
    assert!(metrics.contains("field=\"running\"} 1\n"), "{metrics}");
    end.set();
    assert_eq!(task.wait(), Ok(1));
}

#[test]
fn what_is_not_there_is_one_line() {
    refused(&["inspect"]);
    refused(&["peek", "alone"]);
    let name = format!("look-no-{}", std::process::id());
    for arguments in [
        &["inspect", &name][..],
        &["inspect", "a/b"],
        &["inspect", "memfd:1"],
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
