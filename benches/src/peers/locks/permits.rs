//! crossdock's `Semaphore` of one permit, used as a lock.

use crossdock::Segment;
use crossdock::sync::Semaphore;
use crossdock_cli::Failure;

use super::Lock;

pub(crate) struct Permits(Semaphore);

impl Lock for Permits {
    type Handle = Semaphore;
    const NAME: &'static str = super::OUR_SEMAPHORE;

    fn create() -> Result<Semaphore, Failure> {
        Ok(Segment::anonymous()?.create("permit", 1)?)
    }

    fn attach(handle: &Semaphore) -> Result<Self, Failure> {
        Ok(Self(handle.clone()))
    }

    fn with(&self, _repair: impl FnOnce(), change: impl FnOnce()) -> Result<(), Failure> {
        let _permit = self.0.acquire()?;
        change();
        Ok(())
    }
}
