//! Counting at the endpoints of a queue, one step after the other.

use super::super::{Endpoint, EndpointError, MOST};
use super::EndpointWords;
use crate::participant::Liveness;
use crate::participant::Tag;
#[cfg(feature = "process")]
use crate::participant::hand_over::TakeOverError;
use crate::participant::tests::ALIVE;

#[test]
fn an_endpoint_is_gone_when_its_last_participant_is_uncounted() {
    let words = EndpointWords::new();
    let endpoints = words.endpoints();
    let [first, second] = [0, 1].map(|index| Tag::new(index, 1).unwrap());
    for endpoint in [Endpoint::Sender, Endpoint::Receiver] {
        let over = || endpoints.is_over(endpoint.other());
        let may_end = || endpoints.may_end(endpoint.other());
        assert!(!over() && !may_end(), "no sender was ever counted");
        assert_eq!(endpoints.count(endpoint, &ALIVE.of(first)), Ok(true));
        assert_eq!(endpoints.count(endpoint, &ALIVE.of(first)), Ok(false));
        assert_eq!(endpoints.count(endpoint, &ALIVE.of(second)), Ok(false));
        assert!(may_end());
        assert!(!endpoints.uncount(endpoint, &ALIVE.of(first)) && !over());
        assert!(!endpoints.uncount(endpoint, &ALIVE.of(first)) && !over());
        assert!(endpoints.uncount(endpoint, &ALIVE.of(second)) && over());
        assert!(
            !endpoints.uncount(endpoint, &ALIVE.of(second)),
            "it is not counted"
        );
        assert!(!may_end(), "it has ended");
        assert_eq!(endpoints.count(endpoint, &ALIVE.of(second)), Ok(true));
        assert!(!over() && may_end(), "a sender was counted again");
        endpoints.recover(second);
        assert!(over(), "it was dead");
    }
    assert!(!endpoints.is_closed());
    endpoints.close();
    assert!(
        endpoints.is_closed()
            && endpoints.is_over(Endpoint::Sender)
            && endpoints.is_over(Endpoint::Receiver)
    );
}

#[cfg(feature = "process")]
#[test]
fn an_end_that_was_handed_over_before_a_new_beginning_is_over() {
    let words = EndpointWords::new();
    let endpoints = words.endpoints();
    let [parent, other, child] = [0, 1, 2].map(|index| Tag::new(index, 1).unwrap());
    for endpoint in [Endpoint::Sender, Endpoint::Receiver] {
        endpoints.count(endpoint, &ALIVE.of(parent)).unwrap();
        let early = endpoints.as_of();
        // It dies, and others are told.
        assert!(endpoints.uncount(endpoint, &ALIVE.of(parent)));
        assert_eq!(endpoints.count(endpoint, &ALIVE.of(other)), Ok(true));
        let late = endpoints.as_of();
        let over = Err((TakeOverError::Over, false));
        assert_eq!(
            endpoints.take_over((endpoint, early), &ALIVE.of(child)),
            over
        );
        // What the other one hands over is not.
        assert_eq!(
            endpoints.take_over((endpoint, late), &ALIVE.of(child)),
            Ok(())
        );
        assert!(!endpoints.is_over(endpoint.other()));
    }
}

#[test]
fn a_cell_that_is_full_is_refused_and_keeps_its_count() {
    let words = EndpointWords::new();
    let endpoints = words.endpoints();
    for endpoint in [Endpoint::Sender, Endpoint::Receiver] {
        for _ in 0..MOST {
            endpoints.count(endpoint, &ALIVE).unwrap();
        }
        assert_eq!(
            endpoints.count(endpoint, &ALIVE),
            Err(EndpointError::TooMany)
        );
        assert!(!endpoints.uncount(endpoint, &ALIVE));
        assert_eq!(endpoints.count(endpoint, &ALIVE), Ok(false));
    }
}

#[test]
fn a_cell_that_is_anothers_is_left_to_it() {
    let words = EndpointWords::new();
    let endpoints = words.endpoints();
    let [before, after] = [1, 2].map(|generation| Tag::new(0, generation).unwrap());
    endpoints.count(Endpoint::Sender, &ALIVE.of(after)).unwrap();
    let late = endpoints.count(Endpoint::Sender, &ALIVE.of(before));
    assert_eq!(late, Err(EndpointError::MembershipLost));
    assert!(!endpoints.uncount(Endpoint::Sender, &ALIVE.of(before)));
    assert!(!endpoints.is_over(Endpoint::Receiver));
    assert!(endpoints.uncount(Endpoint::Sender, &ALIVE.of(after)));
}

/// A registry that lists tags of the second generation only.
struct Second;

impl Liveness for Second {
    fn me(&self) -> Tag {
        Tag::new(0, 2).unwrap()
    }
    fn is_alive(&self, tag: Tag) -> bool {
        !self.is_unregistered(tag)
    }
    fn is_member(&self) -> bool {
        true
    }
    fn is_unregistered(&self, tag: Tag) -> bool {
        tag.generation() != 2
    }
    fn participants(&self) -> u32 {
        2
    }
}

#[test]
fn what_no_participant_counts_is_cleared_by_the_next_owner_of_the_index() {
    let me = Tag::new(0, 2).unwrap();
    let [former, other] = [(0, 1), (1, 2)].map(|(index, generation)| Tag::new(index, generation));
    for unregistered in [
        former.unwrap().bits(),
        other.unwrap().bits(),
        1023,
        5 << 10 | 7,
    ] {
        let words = EndpointWords::new();
        let endpoints = words.endpoints();
        let counted = u64::from(unregistered) + 3 * Endpoint::Receiver.one();
        words.cells[0].store(counted, crate::facade::Ordering::Relaxed);
        assert_eq!(
            endpoints.count(Endpoint::Sender, &Second),
            Ok(true),
            "{unregistered:#x}"
        );
        let cell = words.cells[0].load(crate::facade::Ordering::Relaxed);
        assert_eq!(cell, u64::from(me.bits()) + Endpoint::Sender.one());
        assert!(endpoints.uncount(Endpoint::Sender, &Second));
    }
}
