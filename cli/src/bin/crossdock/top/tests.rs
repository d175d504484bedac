use std::time::{Duration, Instant};

use crossdock::process::{self, Builder};
use crossdock::queue::WorkQueue;
use crossdock::queue::spsc::Spsc;
use crossdock::sync::Event;
use crossdock::{Counter, Mutex, Segment, SegmentOptions};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::sample::{Sample, Sort};
use super::screen::{Shown, Wishes, draw, rate};
use super::session::{Key, Screen, presses};

#[path = "../../../../tests/tmux/mod.rs"]
mod tmux;

const WATCHDOG: Duration = Duration::from_secs(60);

#[test]
fn crossdock_worker() {
    process::init();
}

/// A segment whose name goes with it.
struct Named(String, Segment);

impl Named {
    fn new(name: &str) -> Self {
        let name = format!("top-{name}-{}", std::process::id());
        let options = SegmentOptions::new().size(1 << 20).participants(8);
        let segment = options.create_new(&name).expect("created");
        Self(name, segment)
    }

    fn sample(&self) -> Sample {
        Sample::take(&self.0).expect("it is there")
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _may_be_gone = self.1.unlink();
    }
}

/// What is on a screen of that size.
fn drawn(sample: &Sample, wishes: &mut Wishes, columns: u16, rows: u16) -> Vec<String> {
    let backend = TestBackend::new(columns, rows);
    let mut terminal = Terminal::new(backend).expect("a terminal");
    terminal
        .draw(|frame| draw(frame, sample, wishes))
        .expect("drawn");
    let buffer = terminal.backend().buffer();
    let line = |row| {
        let cells = (0..columns).map(|column| buffer[(column, row)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    };
    (0..rows).map(line).collect()
}

/// The line that begins with a word.
#[track_caller]
fn line<'a>(screen: &'a [String], word: &str) -> &'a str {
    let found = screen
        .iter()
        .find(|line| line.split_whitespace().next() == Some(word));
    found.unwrap_or_else(|| panic!("no {word}: {screen:#?}"))
}

/// Holds a lock and a message until it is killed.
fn hold((stock, orders, ready): (Mutex<u32>, WorkQueue<u32>, Event)) {
    let _guard = stock.lock().expect("locked");
    let _order = orders.recv().expect("an order");
    ready.set();
    loop {
        std::thread::park();
    }
}

#[test]
fn a_screen_of_80_by_24_shows_entries_rates_waiters_and_processes() {
    process::init_test("top::tests::crossdock_worker");
    let named = Named::new("wide");
    let segment = &named.1;
    let stock = segment.create::<Mutex<u32>>("stock", 1).expect("made");
    let orders = segment.create::<WorkQueue<u32>>("orders", 8).expect("made");
    let total = segment.create::<Counter<i64>>("total", 5).expect("made");
    let ring = segment.create::<Spsc<u32>>("ring", 64).expect("made");
    let ready = segment.create::<Event>("ready", false).expect("made");
    orders.send(1).expect("sent");
    orders.send(2).expect("sent");
    let worker = Builder::new().name("baker").daemon(true);
    let worker = worker.spawn(hold, (stock.clone(), orders, ready.clone()));
    let worker = worker.expect("spawned");
    ready.wait_timeout(WATCHDOG).expect("it holds both");
    let pid = worker.id();
    let waiter = std::thread::spawn(move || drop(stock.lock()));

    // Until the waiter is seen: it cannot say so itself.
    let watchdog = Instant::now() + WATCHDOG;
    let before = loop {
        let sample = named.sample();
        if sample.entries[0].waits == "yes" {
            break sample;
        }
        assert!(Instant::now() < watchdog);
    };
    assert!(before.entries.iter().all(|entry| entry.rate.is_none()));
    total.fetch_add(1000);
    let mut producer = ring.producer().expect("free");
    for number in 0..10 {
        producer.push(number).expect("room");
    }
    let mut sample = named.sample();
    sample.since(&before);

    let mut wishes = Wishes::default();
    let screen = drawn(&sample, &mut wishes, 80, 24);
    println!("{}", screen.join("\n"));
    assert!(screen[0].starts_with(&named.0), "{screen:#?}");
    assert!(
        screen[0].contains("1.0 MiB") && screen[0].contains("5 entries"),
        "{screen:#?}"
    );
    let stock = line(&screen, "stock");
    assert!(stock.contains("Mutex") && stock.contains("yes"), "{stock}");
    assert!(stock.contains(&format!("holder pid {pid}")), "{stock}");
    assert!(
        line(&screen, "orders").contains("waiting 1  held 1"),
        "{screen:#?}"
    );
    assert!(line(&screen, "total").contains("value 1005"), "{screen:#?}");
    assert!(line(&screen, "ring").contains("depth 10"), "{screen:#?}");
    let baker = line(&screen, &pid.to_string());
    for expected in ["baker", "  S  ", "iB", "stock and orders"] {
        assert!(baker.contains(expected), "{expected}: {baker}");
    }
    assert!(
        screen[23].starts_with("q quit  s sort: creation"),
        "{screen:#?}"
    );
    // The ring has had a hundredth of what the counter has had.
    let rates: Vec<_> = sample.entries.iter().map(|entry| entry.rate).collect();
    let (total, ring) = (rates[2].expect("a rate"), rates[3].expect("a rate"));
    assert!(
        total > 0.0 && (total / ring - 100.0).abs() < 0.01,
        "{rates:?}"
    );
    assert_eq!(rates[0], None);

    let order = |sort: Sort, mut sample: Sample| {
        sort.apply(&mut sample);
        let first = &sample.entries[0];
        (first.name.clone(), sample)
    };
    let (by_rate, sample) = order(Sort::Rate, sample);
    let (by_depth, sample) = order(Sort::Depth, sample);
    let (by_waits, sample) = order(Sort::Waits, sample);
    let (by_name, _) = order(Sort::Name, sample);
    let found = [by_rate, by_depth, by_waits, by_name];
    assert_eq!(found, ["total", "ring", "stock", "orders"]);

    worker.kill().expect("killed");
    worker.join().expect_err("killed");
    waiter.join().expect("it has taken over");
}

#[test]
fn a_screen_of_20_by_5_shows_one_line() {
    let named = Named::new("narrow");
    let screen = drawn(&named.sample(), &mut Wishes::default(), 20, 5);
    assert_eq!(screen, ["too small: 72x8", "", "", "", ""]);
    // Whatever the size is, it is drawn.
    for (columns, rows) in [(1, 1), (72, 8), (73, 7), (200, 100)] {
        drawn(&named.sample(), &mut Wishes::default(), columns, rows);
    }
}

#[test]
fn the_table_that_was_asked_for_is_shown_if_both_do_not_fit() {
    let named = Named::new("tall");
    for number in 0..40 {
        let name = format!("counter-{number:02}");
        named.1.create::<Counter<u64>>(&name, 0).expect("made");
    }
    // A participant is one that has made or locked something.
    let sample = named.sample();
    let mut wishes = Wishes::default();
    let screen = drawn(&sample, &mut wishes, 80, 24);
    assert!(
        line(&screen, "counter-00").contains("value 0"),
        "{screen:#?}"
    );
    assert!(screen[23].ends_with("1-20 of 40"), "{screen:#?}");
    assert!(wishes.press(Key::Down));
    let screen = drawn(&sample, &mut wishes, 80, 24);
    assert!(screen[23].ends_with("2-21 of 40"), "{screen:#?}");
    wishes.first = 1000;
    let screen = drawn(&sample, &mut wishes, 80, 24);
    assert!(screen[23].ends_with("21-40 of 40"), "{screen:#?}");
    assert!(wishes.press(Key::Up) && wishes.first == 19);
    assert!(wishes.press(Key::Byte(b'p')) && wishes.shown == Shown::Participants);
    let screen = drawn(&sample, &mut wishes, 80, 24);
    assert!(
        screen[2].contains("COMMAND") && screen[23].contains("e entries: 40"),
        "{screen:#?}"
    );
    assert!(wishes.press(Key::Byte(b'e')));
    let screen = drawn(&sample, &mut wishes, 72, 8);
    assert!(screen[7].ends_with("1-4 of 40"), "{screen:#?}");
}

#[test]
fn a_segment_that_is_made_anew_has_no_rates_at_first() {
    let name = Named::new("anew");
    name.1.create::<Counter<u64>>("total", 0).expect("made");
    let before = name.sample();
    name.1.unlink().expect("removed");
    assert!(Sample::take(&name.0).is_err());
    let again = Named::new("anew");
    again.1.create::<Counter<u64>>("total", 7).expect("made");
    let mut sample = again.sample();
    sample.since(&before);
    assert_eq!(sample.entries[0].rate, None);
}

#[test]
fn keys_are_told_from_sequences() {
    let keys: Vec<_> = presses(b"s\x1b[A\x1bOB\x1b[1;5C\x1b[15~q\x1bx\x1b").collect();
    let expected = [
        Key::Byte(b's'),
        Key::Up,
        Key::Down,
        Key::Byte(b'q'),
        Key::Escape,
    ];
    assert_eq!(keys, expected);
    let mut wishes = Wishes::default();
    assert!(
        [Key::Escape, Key::Byte(b'q'), Key::Byte(3)]
            .iter()
            .all(|key| !wishes.press(*key))
    );
    assert!(wishes.press(Key::Byte(b' ')) && wishes.is_paused);
}

#[test]
fn a_rate_has_a_few_digits() {
    let rates = [0.0, 0.25, 9.99, 1234.4, 12_345.0, 7.77e6, 3.21e9, -2.5];
    let expected = ["0", "0.2", "10", "1234", "12k", "7770k", "3210M", "-2.5"];
    assert_eq!(rates.map(rate), expected);
}

/// Asks the test below for a panic.
const PANICS: &str = "CROSSDOCK_TOP_PANICS";

/// Does nothing in an ordinary run: the next test has a terminal for it.
#[test]
fn panics_on_a_terminal() {
    if std::env::var_os(PANICS).is_some() {
        let _screen = Screen::new().expect("a terminal");
        println!("PANICS NEXT");
        panic!("on a terminal");
    }
}

#[test]
fn a_panic_restores_the_terminal_and_can_be_read() {
    let Some(terminal) = tmux::Terminal::new() else {
        return;
    };
    let program = std::env::current_exe().expect("a program");
    let test = "--exact --nocapture top::tests::panics_on_a_terminal";
    terminal.line(&format!(
        "clear; {PANICS}=1 {} {test}; echo ended-$?",
        program.display()
    ));
    let screen = terminal.shows("ended-101");
    assert!(screen.contains("on a terminal"), "{screen}");
    assert!(screen.contains("1 failed"), "{screen}");
    assert!(!screen.contains("PANICS NEXT"), "{screen}");
    terminal.is_restored();
}

/// Says that it runs, and runs until it may end.
fn run_until((began, end): (Counter, Event)) {
    began.add_and_notify(1);
    end.wait().expect("no fault");
}

#[test]
fn a_worker_of_a_pool_is_shown_with_its_task() {
    process::init_test("top::tests::crossdock_worker");
    let segment = Segment::anonymous().expect("a segment");
    let began = segment.create::<Counter>("began", 0).expect("made");
    let end = segment.create::<Event>("end", false).expect("made");
    let pool = process::Pool::builder().workers(1).build().expect("built");
    let task = pool.submit(run_until, (began.clone(), end.clone()));
    let task = task.expect("submitted");
    began.wait_until(|began| began == 1).expect("it begins");
    let own = crate::operate::find::nameless().expect("/proc");
    let mut own = own
        .iter()
        .filter(|one| one.pids.contains(&std::process::id()));
    let is_pool = |one: &&crate::operate::find::Found| {
        let entries = one.entries();
        entries.iter().any(|entry| entry.info.name == "running")
    };
    let found = own.find(is_pool).expect("the pool has a segment");
    let sample = Sample::take(&found.name).expect("it is there");
    let screen = drawn(&sample, &mut Wishes::default(), 80, 24);
    let worker = line(&screen, &pool.worker_ids()[0].to_string());
    assert!(worker.contains("task 1, attempt 1, "), "{worker}");
    assert!(
        line(&screen, "running").contains("running 1"),
        "{screen:#?}"
    );
    end.set();
    assert_eq!(task.wait(), Ok(()));
}
