//! Operations on an event: it is set or clear, and no waiter sleeps through a set that was made.
//! And on numbers that processes wait for: no waiter sleeps through a change.

use std::time::Duration;

use crossdock::sync::{Event, EventTimeoutError};
use crossdock::{AtomicArray, Counter};
use crossdock_spec::FAILED;
use crossdock_spec::event::Op::{
    Clear, Count, CountUp, Element, IsSet, Notify, NotifyElement, Set, Store, Wait, WaitCount,
    WaitElement,
};
use crossdock_spec::event::{Op, State};

use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::Rig;

struct Flags {
    event: Event,
    count: Counter,
    elements: AtomicArray<u8>,
}

impl Subject for Flags {
    type Spec = State;
    type Hand<'a> = ();

    fn create(base: &Base, first: &State) -> Rig<Self> {
        Ok(Self {
            event: base.segment.create("event", first.is_set)?,
            count: base.segment.create("count", 0)?,
            elements: base.segment.create("elements", [0, 0])?,
        })
    }

    fn run(&self, _: &Base, op: Op, (): &mut (), patience: Option<Duration>) -> Option<u8> {
        let small = |count: u64| u8::try_from(count).unwrap_or(FAILED);
        Some(match op {
            Set => u8::from(self.event.set()),
            Clear => u8::from(self.event.clear()),
            IsSet => u8::from(self.event.is_set()),
            Wait => match patience.map_or_else(
                || Ok(self.event.wait()?),
                |time| self.event.wait_timeout(time),
            ) {
                Ok(()) => 0,
                Err(EventTimeoutError::Timeout) => return None,
                Err(_) => FAILED,
            },
            CountUp => small(self.count.add_and_notify(1)),
            Notify => {
                self.count.notify();
                0
            }
            Count => small(self.count.load()),
            WaitCount => {
                return patience
                    .map_or_else(
                        || self.count.wait_until(|count| count > 0).ok(),
                        |time| self.count.wait_until_timeout(time, |count| count > 0).ok(),
                    )
                    .map(|_| 0);
            }
            Store => {
                self.elements[1].store(1);
                0
            }
            NotifyElement => {
                self.elements.notify(1);
                0
            }
            Element => self.elements[1].load(),
            WaitElement => {
                return patience
                    .map_or_else(
                        || self.elements.wait_while_eq(1, 0).ok(),
                        |time| self.elements.wait_while_eq_timeout(1, 0, time).ok(),
                    )
                    .map(|_| 0);
            }
        })
    }
}

/// The operations on events.
pub(crate) const LISTED: &[Listed] = specified! { Flags;
    "Event::set beside a waiter" "a set before what it publishes" {
        act: &[CountUp, Set], bug: &[Set, CountUp], waiter: &[Wait, Count],
        meanwhile: &[IsSet, Count], after: &[IsSet], rescue: &[Set], last: &[Clear, Set, Wait],
    }
    "Event::set and clear beside a waiter" "a set that is not made" {
        act: &[CountUp, Set, Clear], bug: &[CountUp], waiter: &[Wait, Count],
        meanwhile: &[IsSet, Count], after: &[IsSet], rescue: &[Set], last: &[Set, Clear, Set, Wait],
    }
    "Event::clear" "a clear that is not made" {
        first: State { is_set: true, ..State::default() },
        act: &[Clear], bug: &[], meanwhile: &[IsSet], after: &[IsSet], last: &[Clear, IsSet, Set, Wait],
    }
    "Counter::add_and_notify beside a waiter" "a notification without an addition" {
        act: &[CountUp], bug: &[Notify], waiter: &[WaitCount],
        meanwhile: &[Count], after: &[Count], rescue: &[CountUp], last: &[CountUp, WaitCount],
    }
    "AtomicArray::notify beside a waiter" "a change before what it publishes" {
        act: &[CountUp, Store, NotifyElement], bug: &[Store, NotifyElement, CountUp],
        waiter: &[WaitElement, Count], meanwhile: &[Element, Count], after: &[Element],
        rescue: &[Store, NotifyElement], last: &[Store, NotifyElement, WaitElement],
    }
};
