//! Operations on a semaphore: whatever a victim leaves, every permit is held by one process or
//! free.

use std::time::Duration;

use crossdock::sync::{
    AcquireError, AcquireTimeoutError, Permit, Permits, Semaphore, SemaphoreOptions,
};
use crossdock_spec::FAILED;
use crossdock_spec::semaphore::Op::{
    Acquire, AcquireMany, Add, Available, Close, Crowd, Forget, Holders, IsClosed, Reap, Release,
    ReleaseMany,
};
use crossdock_spec::semaphore::{CLOSED, MOST, Op, PERMITS, State};

use crate::crash::operation::Base;
use crate::crash::specified::{Guards, Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::Rig;

impl Subject for Semaphore {
    type Spec = State;
    type Hand<'a> = (Guards<Permit<'a>>, Option<Permits<'a>>);

    fn create(base: &Base, _: &State) -> Rig<Self> {
        let options = SemaphoreOptions::new(PERMITS.into()).most(MOST.into());
        Ok(base.segment.create("permits", options)?)
    }

    fn run<'a>(
        &'a self,
        base: &Base,
        op: Op,
        (Guards(one), many): &mut Self::Hand<'a>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let few = |count: usize| u8::try_from(count).unwrap_or(FAILED);
        let acquired = match op {
            Acquire => match patience {
                None => self.acquire().map_err(AcquireTimeoutError::Acquire),
                Some(time) => self.acquire_timeout(time),
            }
            .map(|permit| one.push(permit)),
            AcquireMany(count) => match patience {
                None => self
                    .acquire_many(count.into())
                    .map_err(AcquireTimeoutError::Acquire),
                Some(time) => self.acquire_many_timeout(count.into(), time),
            }
            .map(|permits| *many = Some(permits)),
            Release | ReleaseMany(_) => {
                *many = None;
                one.clear();
                Ok(())
            }
            Forget => {
                one.extend(many.take().into_iter().flat_map(Permits::into_permits));
                one.pop()?.forget();
                Ok(())
            }
            Add(count) => return Some(self.add_permits(count.into()).map_or(FAILED, |()| 0)),
            Close => {
                self.close();
                Ok(())
            }
            IsClosed => return Some(self.is_closed().into()),
            Available => return Some(few(self.available() as usize)),
            Holders => return Some(few(self.holders().len())),
            Crowd => {
                let taken: Vec<_> = std::iter::from_fn(|| self.try_acquire().ok()).collect();
                return Some(few(taken.len().saturating_sub(PERMITS.into())));
            }
            Reap => {
                base.segment.reap();
                Ok(())
            }
        };
        match acquired {
            Ok(()) => Some(0),
            Err(AcquireTimeoutError::Timeout) => None,
            Err(AcquireTimeoutError::Acquire(AcquireError::Closed)) => Some(CLOSED),
            Err(_) => Some(FAILED),
        }
    }
}

/// All that are there, and no more.
const ALL: &[Op] = &[Acquire, Acquire, Acquire, Acquire, Release];
/// The same in the end, when all are free.
const LAST: &[Op] = &[Reap, Available, AcquireMany(PERMITS), Release, Holders];

/// The operations on semaphores.
pub(crate) const LISTED: &[Listed] = specified! { Semaphore;
    "Semaphore::acquire" "two permits taken for one" {
        act: &[Acquire], bug: &[Acquire, Acquire], meanwhile: ALL, last: LAST,
    }
    "Semaphore::acquire from a dead holder" "two permits taken for one" {
        dead: &[AcquireMany(PERMITS)], act: &[Reap, Acquire], bug: &[Reap, Acquire, Acquire],
        meanwhile: &[Reap, Acquire, Acquire, Acquire, Acquire, Release], last: LAST,
    }
    "Semaphore permit dropped beside a waiter" "a permit taken out instead of released" {
        before: &[Acquire], act: &[Release], bug: &[Forget],
        waiter: &[AcquireMany(PERMITS), Release], meanwhile: &[Crowd], last: LAST,
    }
    "Semaphore::acquire_many" "three permits taken for two" {
        act: &[AcquireMany(2)], steps: &[Acquire, Acquire], bug: &[AcquireMany(2), Acquire],
        meanwhile: ALL, last: LAST,
    }
    "Semaphore permits dropped beside a waiter" "one of the permits taken out" {
        before: &[AcquireMany(2)], act: &[Release], bug: &[Forget, Release],
        waiter: &[AcquireMany(PERMITS), Release], meanwhile: &[Crowd], last: LAST,
    }
    "Semaphore permit forgotten" "two permits taken out for one" {
        before: &[Acquire], act: &[Forget], bug: &[Forget, Acquire, Forget],
        meanwhile: ALL, last: &[Reap, Available, AcquireMany(2), Release, Holders],
    }
    "Semaphore::add_permits" "three permits added for two" {
        act: &[Add(2)], steps: &[Add(1), Add(1)], bug: &[Add(3)],
        meanwhile: &[Acquire, Acquire, Acquire, Acquire, Acquire, Acquire, Release], last: LAST,
    }
    "Semaphore::close" "a close that is not made" {
        act: &[Close], bug: &[], waiter: &[AcquireMany(PERMITS + 1)], meanwhile: &[Crowd],
        after: &[IsClosed], rescue: &[Close], last: &[Available, Holders],
    }
};
