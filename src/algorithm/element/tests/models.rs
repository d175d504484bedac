//! Elements of arrays under loom.

use loom::sync::Arc;

use super::super::ElementState;
use crate::facade::model::{
    explore, explore_at_least, explore_deaths, explore_soft_faults, soft_fault_at,
};
use crate::facade::{AtomicU8, AtomicU64, Words, mutants};
use crate::participant::stage::{StartWith, finish, start};

mutants! {
    model_element_a_read_sees_what_was_written_before:
        400 "get does not acquire",
        401 "set does not publish",
        408 "swap does not publish",
        409 "add does not publish",
        410 "sub does not publish",
        411 "and does not publish",
        412 "or does not publish",
        413 "xor does not publish",
        414 "exchange does not publish";
    model_element_no_sum_of_floats_is_lost:
        402 "update stores without comparing";
    model_element_an_update_publishes_what_was_written_before:
        403 "update does not publish";
    model_element_a_weak_cas_that_fails_spuriously_is_retried:
        404 "update takes a failed CAS for a success";
    model_element_a_copy_out_sees_what_was_written_before_each_element:
        405 "a copy out has no fence",
        406 "a collected copy has no fence";
    model_element_a_copy_in_publishes_what_was_written_before:
        407 "a copy in has no fence";
    model_element_a_refused_exchange_sees_what_was_written_before:
        415 "a refused exchange does not acquire";
}

type Wide = ElementState<AtomicU64>;
type Narrow = ElementState<AtomicU8>;

fn wide(value: u64) -> Wide {
    ElementState::new(AtomicU64::new(value))
}

fn narrow(value: u8) -> Narrow {
    ElementState::new(AtomicU8::new(value))
}

fn add(element: &Wide, amount: f64) -> f64 {
    let sum = |bits| Some((f64::from_bits(bits) + amount).to_bits());
    let (Ok(bits) | Err(bits)) = element.update(sum);
    f64::from_bits(bits)
}

fn sum(element: &Wide) -> f64 {
    f64::from_bits(element.get())
}

/// Hunts: an addition of floats that overwrites another's; two that return the same value.
#[test]
fn model_element_no_sum_of_floats_is_lost() {
    explore_at_least(4, || {
        let element = Arc::new(wide(0.5_f64.to_bits()));
        finish([1, 2].map(|id| {
            element.start(id, None, move |element| {
                let first = add(&element, 1.0);
                let second = add(&element, 1.0);
                assert!(second > first, "{first} came before {second}");
            })
        }));
        assert_eq!(sum(&element).to_bits(), 4.5_f64.to_bits());
    });
}

/// Hunts: an addition of a killed process that is half made, or undoes another's.
#[test]
fn model_element_a_killed_addition_of_floats_was_made_or_not() {
    explore_deaths(|death| {
        let element = Arc::new(wide(0.0_f64.to_bits()));
        let victim = element.start(1, death, move |victim| add(&victim, 1024.0));
        finish([element.start(2, None, move |other| add(&other, 1.0))]);
        let survived = victim.join().unwrap();
        let total = sum(&element).to_bits();
        let made = total == 1025.0_f64.to_bits();
        assert!(made || !survived && total == 1.0_f64.to_bits());
    });
}

/// Hunts: a weak CAS that fails although the value is unchanged.
#[test]
fn model_element_a_weak_cas_that_fails_spuriously_is_retried() {
    explore_soft_faults(|fault| {
        let element = Arc::new(wide(0));
        finish([element.start(1, None, move |adder| {
            soft_fault_at(fault);
            adder.update(|bits| Some(bits + 1)).unwrap();
        })]);
        assert_eq!(element.get(), 1, "it was not added");
    });
}

const START: u8 = 3;

/// Each way to change an element that is [`START`].
const CHANGES: [fn(&Narrow); 8] = [
    |element| element.set(1),
    |element| assert_eq!(element.swap(1), START),
    |element| assert_eq!(element.add(254), START),
    |element| assert_eq!(element.sub(2), START),
    |element| assert_eq!(element.and(1), START),
    |element| assert_eq!(element.or(4), START),
    |element| assert_eq!(element.xor(2), START),
    |element| assert_eq!(element.exchange(START, 1), Ok(START)),
];

/// Hunts: an element that is seen before what its process wrote (E1).
#[test]
fn model_element_a_read_sees_what_was_written_before() {
    for change in CHANGES {
        explore(move || {
            let shared = Arc::new((narrow(START), Words::new([0])));
            finish([
                shared.start(1, None, move |writer| {
                    writer.1.write(&[7]);
                    change(&writer.0);
                }),
                shared.start(2, None, move |reader| {
                    if reader.0.get() != START {
                        assert_eq!(reader.1.read(), [7]);
                    }
                }),
            ]);
        });
    }
}

/// Hunts: the same for an exchange that finds an unexpected value.
#[test]
fn model_element_a_refused_exchange_sees_what_was_written_before() {
    explore(|| {
        let shared = Arc::new((narrow(START), Words::new([0])));
        finish([
            shared.start(1, None, move |writer| {
                writer.1.write(&[7]);
                writer.0.set(1);
            }),
            shared.start(2, None, move |other| {
                if other.0.exchange(START, START) == Err(1) {
                    assert_eq!(other.1.read(), [7]);
                }
            }),
        ]);
    });
}

/// Hunts: the same for an update, with another's in between.
#[test]
fn model_element_an_update_publishes_what_was_written_before() {
    explore(|| {
        let shared = Arc::new((wide(0), Words::new([0])));
        finish([
            shared.start(1, None, move |writer| {
                writer.1.write(&[7]);
                writer.0.update(|bits| Some(bits + 10)).unwrap();
            }),
            shared.start(2, None, move |other| other.0.add(1)),
            shared.start(3, None, move |reader| {
                if reader.0.get() >= 10 {
                    assert_eq!(reader.1.read(), [7]);
                }
            }),
        ]);
    });
}

/// Hunts: a copy of several elements that has a new value without what its writer wrote before it
/// (E2), in both forms of copying.
#[test]
fn model_element_a_copy_out_sees_what_was_written_before_each_element() {
    for collected in [false, true] {
        explore(move || {
            let shared = Arc::new(([wide(0), wide(0)], Words::new([0])));
            finish([
                shared.start(1, None, move |writer| {
                    writer.1.write(&[7]);
                    writer.0[1].set(1);
                    writer.0[0].set(1);
                }),
                shared.start(2, None, move |reader| {
                    let elements = reader.0.iter();
                    let copied: [u64; 2] = if collected {
                        let list: Vec<u64> = Wide::collect(elements, |bits| bits);
                        list.try_into().unwrap()
                    } else {
                        let mut places = [0; 2];
                        Wide::copy_out(elements.zip(&mut places), |bits| bits);
                        places
                    };
                    if copied.contains(&1) {
                        assert_eq!(reader.1.read(), [7]);
                    }
                }),
            ]);
        });
    }
}

/// Hunts: elements copied in that are seen before what their process wrote (E2).
#[test]
fn model_element_a_copy_in_publishes_what_was_written_before() {
    explore(|| {
        let shared = Arc::new(([wide(0), wide(0)], Words::new([0])));
        let readers = [0, 1].map(|index| {
            shared.start(2 + index, None, move |reader| {
                if reader.0[index as usize].get() == 1 {
                    assert_eq!(reader.1.read(), [7]);
                }
            })
        });
        let writer = shared.start(1, None, move |writer| {
            writer.1.write(&[7]);
            Wide::copy_in(writer.0.iter().map(|element| (element, 1)));
        });
        finish([writer].into_iter().chain(readers));
    });
}

/// Hunts: a copy in that continues after its process has died, or is not made in order.
#[test]
fn model_element_a_killed_copy_in_has_stored_the_first_elements() {
    explore_deaths(|death| {
        let elements = Arc::new([narrow(0), narrow(0), narrow(0)]);
        let writer = elements.start(1, death, move |writer| {
            Narrow::copy_in(writer.iter().map(|element| (element, 1)))
        });
        let survived = writer.join().unwrap();
        let stored = elements.each_ref().map(|element| element.get());
        assert!(stored.is_sorted_by(|before, after| before >= after));
        assert!(!survived || stored == [1; 3]);
    });
}
