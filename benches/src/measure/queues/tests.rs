//! Options.

use super::*;

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
