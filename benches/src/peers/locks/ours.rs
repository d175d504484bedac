//! crossdock's `Mutex`, as the kill tests use it: repaired by a process that comes after a dead
//! owner.

use crossdock::{Mutex, Segment};
use crossdock_cli::Failure;

use super::Lock;

pub(crate) struct Ours(Mutex<u64>);

impl Lock for Ours {
    type Handle = Mutex<u64>;
    const NAME: &'static str = super::OURS;

    fn create() -> Result<Mutex<u64>, Failure> {
        let segment = Segment::anonymous()?;
        Ok(segment.create::<Mutex<u64>>("lock", 0)?)
    }

    fn attach(handle: &Mutex<u64>) -> Result<Self, Failure> {
        Ok(Self(handle.clone()))
    }

    fn with(&self, repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        let _guard = self.0.lock_or_repair(|_| repair())?;
        change();
        Ok(())
    }
}
