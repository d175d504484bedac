//! Options, and what is in the plot.

use super::*;
use crossdock_bench::pin::Pin;
use crossdock_bench::queues::{Row, TripRow};

fn pair(text: &str) -> Result<Pair, String> {
    text.parse()
}

#[test]
fn a_pair_is_two_numbers() {
    let expected = Pair {
        producers: 2,
        consumers: 64,
    };
    assert_eq!(pair("2x64"), Ok(expected));
    assert_eq!(expected.to_string(), "2x64");
    for wrong in [
        "", "2", "x", "2x", "x2", "0x1", "1x65", "1x1x1", "-1x1", "1X1", " 1x1",
    ] {
        let refused = pair(wrong).unwrap_err();
        assert!(
            refused.starts_with("expected producers x consumers"),
            "{wrong}"
        );
    }
}

fn options() -> Options {
    Options {
        kinds: Vec::new(),
        sizes: vec![8],
        pairs: vec![Pair {
            producers: 2,
            consumers: 2,
        }],
        capacity: 1024,
        batch: 64,
        idle: IdleChoice::Park,
        round_trip: TripChoice::Park,
        secs: 0.1,
        runs: 1,
        pin: PinChoice::Cores,
        json: false,
        plot: None,
    }
}

#[test]
fn kinds_that_a_setting_is_not_for_are_named() {
    let kinds = vec!["lamport".to_owned(), "spsc".to_owned(), "pipe".to_owned()];
    let ready = Options { kinds, ..options() }.check().unwrap();
    let left_out = left_out(&ready.plan);
    assert_eq!(
        left_out,
        [
            "not made for 2x2, parked: lamport, spsc",
            "not made for parked round trips: lamport"
        ]
    );
}

fn row(kind: &'static str, producers: u32, size: u32, mitems: f64) -> Row {
    let ns_per_item = 1e3 / mitems;
    Row {
        kind,
        size,
        producers,
        consumers: producers,
        batch: 1,
        idle: Idle::Spin,
        pin: Pin::Cores,
        ns_per_item,
        ns_per_item_range: (ns_per_item * 0.9, ns_per_item * 1.1),
        mitems,
        ratio: Some(1.0),
        ratio_range: Some((0.9, 1.1)),
        ns_by_round: vec![Some(ns_per_item)],
        items: 1,
        lost: 0,
        wrong: 0,
    }
}

fn trip(kind: &'static str, p50_ns: Option<u64>) -> TripRow {
    TripRow {
        kind,
        size: 8,
        idle: Idle::Park,
        pin: Pin::Cores,
        trips: 1,
        p50_ns,
        p99_ns: p50_ns.map(|time| time * 2),
        p999_ns: p50_ns.map(|time| time * 3),
        ratio: None,
        ratio_range: None,
        p50_by_round: Vec::new(),
    }
}

fn image(throughput: Vec<Row>, round_trips: Vec<TripRow>) -> String {
    let options = options();
    plot::svg(&Found {
        options: &options,
        machine: Machine::this(),
        measured: Measured {
            throughput,
            round_trips,
        },
        notes: Vec::new(),
    })
}

#[test]
fn the_plot_has_a_panel_for_each_setting_and_a_line_for_each_kind_in_it() {
    let throughput = vec![
        row("spsc", 1, 8, 90.0),
        row("spsc", 1, 64, 40.0),
        row("pipe", 1, 8, 2.0),
        row("pipe", 2, 8, 1.0),
    ];
    let image = image(throughput, vec![trip("pipe", Some(5_000))]);
    assert_eq!(image.matches(r#"class="line""#).count(), 4);
    let unit = |unit: &str| image.lines().filter(|line| *line == unit).count();
    assert_eq!((unit("M/s"), unit("ns")), (2, 1));
    for text in [
        "spsc 40.0",
        "pipe 2.00",
        "pipe 5000",
        "producers: 2, consumers: 2",
        "waiters are parked",
        "bold lines: crossdock",
        "p50 to p99",
    ] {
        assert!(image.contains(text), "{text}");
    }
    let rule = ".q6 {";
    assert_eq!(image.matches(rule).count(), 1, "one for all panels");
}

#[test]
fn what_was_not_measured_in_time_has_no_point() {
    let throughput = vec![row("spsc", 1, 8, 90.0), row("pipe", 1, 8, 0.0)];
    let image = image(throughput, vec![trip("pipe", None)]);
    assert_eq!(image.matches(r#"class="line""#).count(), 1);
    assert!(!image.contains("inf") && !image.contains("NaN"), "{image}");
}
