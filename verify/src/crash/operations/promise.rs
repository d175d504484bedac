//! Operations on a promise: its value is whole and set once, a waiter is told of a claimer's death,
//! and the next process sets the value.

use std::time::Duration;

use crossdock::sync::{Promise, PromiseClaim, PromiseError, PromiseTimeoutError};
use crossdock_spec::FAILED;
use crossdock_spec::promise::Op::{Claim, Get, GetOrInit, GiveBack, Set, Wait};
use crossdock_spec::promise::{ABANDONED, Op, State};

use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::Rig;

/// Two words, so that a value that is not whole would be seen.
type Value = [u64; 2];

/// What the victim sets.
const MINE: u8 = 5;
/// What others set.
const THEIRS: u8 = 9;
/// What a process makes of a value that no process has set whole.
const TORN: u8 = 200;
fn number(value: &Value) -> u8 {
    let is_whole = value[0] == value[1] && value[0] < TORN.into();
    u8::try_from(value[0])
        .ok()
        .filter(|_| is_whole)
        .unwrap_or(TORN)
}

fn value(number: u8) -> Value {
    match number {
        TORN => [5, 6],
        number => [number.into(); 2],
    }
}

impl Subject for Promise<Value> {
    type Spec = State;
    type Hand<'a> = Option<PromiseClaim<'a, Value>>;

    fn create(base: &Base, _: &State) -> Rig<Self> {
        Ok(base.segment.create("promise", ())?)
    }

    fn run<'a>(
        &'a self,
        _: &Base,
        op: Op,
        hand: &mut Self::Hand<'a>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let or_failed = |is_done: bool| if is_done { 0 } else { FAILED };
        Some(match op {
            Claim => {
                *hand = self.claim().ok();
                or_failed(hand.is_some())
            }
            Set(new) => or_failed(hand.take()?.set(value(new)).is_ok()),
            GiveBack => or_failed(hand.take().is_some()),
            GetOrInit(new) => self.get_or_init(|| value(new)).map_or(FAILED, number),
            Get => self.get().map_or(0, number),
            Wait => match patience.map_or_else(|| Ok(self.wait()?), |time| self.wait_timeout(time))
            {
                Ok(value) => number(value),
                Err(PromiseTimeoutError::Promise(PromiseError::Abandoned)) => ABANDONED,
                Err(PromiseTimeoutError::Timeout) => return None,
                Err(_) => FAILED,
            },
        })
    }
}

/// The operations on promises.
pub(crate) const LISTED: &[Listed] = specified! { Promise<Value>;
    "Promise::claim and set beside a waiter" "a claim that is dropped without a value" {
        act: &[Claim, Set(MINE)], bug: &[Claim, GiveBack], waiter: &[Wait],
        meanwhile: &[Get], after: &[Get], rescue: &[GetOrInit(THEIRS)], last: &[GetOrInit(THEIRS)],
    }
    "Promise::claim given back beside a waiter" "a value that is set instead" {
        act: &[Claim, GiveBack], bug: &[Claim, Set(MINE)], waiter: &[Wait],
        meanwhile: &[Get], after: &[Get], rescue: &[GetOrInit(THEIRS)], last: &[GetOrInit(THEIRS)],
    }
    "Promise::get_or_init" "another value" {
        act: &[GetOrInit(MINE)], bug: &[GetOrInit(TORN)],
        meanwhile: &[Get], after: &[Get], last: &[GetOrInit(THEIRS)],
    }
};
