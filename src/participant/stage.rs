//! What the models share: the processes, the [`Liveness`] that they ask, and data that a death can
//! tear.
//!
//! Modelled processes are numbered from 1. [`players`] sets up a segment without a registry:
//! process n holds byte n - 1 from the beginning, and the byte locks alone say which processes
//! live.

pub(crate) mod model;

use core::convert::Infallible;
use core::ops::Deref;

use loom::thread::JoinHandle;

use crate::facade::model::{is_byte_locked, lock_byte, process, spawn, unlock_byte};
use crate::facade::{AtomicU32, Ordering, Words, fence, mutation};
use crate::participant::Liveness;
use crate::participant::Tag;
use crate::participant::registry::ByteLocks;

/// The tag of process `id` in a segment without a registry.
pub(crate) fn tag(id: u32) -> Tag {
    Tag::new(id - 1, 1).unwrap()
}

/// Starts processes 1 to 3: each holds its byte.
pub(crate) fn players() {
    for id in 1..=3 {
        assert!(lock_byte(id - 1, id), "byte {} is taken", id - 1);
    }
}

/// Starts process `id` on a thread of its own; it dies before its `death`-th step.
pub(crate) fn start<R>(
    id: u32,
    death: Option<u32>,
    body: impl Fn() -> R + 'static,
) -> JoinHandle<bool> {
    spawn(move || process(id, death, &body))
}

/// A fixture whose processes act by handles.
pub(crate) trait WithHandles {
    type Handle<'a>
    where
        Self: 'a;

    /// Returns a handle of process `id`.
    fn handle(&self, id: u32) -> Self::Handle<'_>;
}

/// A fixture that the processes of a model share.
pub(crate) trait StartWith {
    /// Starts process `id`, as [`start`] does, with the fixture.
    fn start<R>(
        &self,
        id: u32,
        death: Option<u32>,
        body: impl Fn(&Self) -> R + 'static,
    ) -> JoinHandle<bool>;

    /// Starts process `id`, as [`start`] does, with its handle.
    fn run<R>(
        &self,
        id: u32,
        death: Option<u32>,
        body: impl Fn(<Self::Target as WithHandles>::Handle<'_>) -> R + 'static,
    ) -> JoinHandle<bool>
    where
        Self: Deref<Target: WithHandles>,
    {
        self.start(id, death, move |fixture| body(fixture.handle(id)))
    }
}

impl<F: Clone + 'static> StartWith for F {
    fn start<R>(
        &self,
        id: u32,
        death: Option<u32>,
        body: impl Fn(&Self) -> R + 'static,
    ) -> JoinHandle<bool> {
        let fixture = self.clone();
        start(id, death, move || body(&fixture))
    }
}

/// Waits until each process has ended or died.
pub(crate) fn finish(processes: impl IntoIterator<Item = JoinHandle<bool>>) {
    for process in processes {
        process.join().unwrap();
    }
}

/// The liveness that process `.0` is told by the kernel: the state of the byte locks.
pub(crate) struct KernelLiveness(pub(crate) u32);

impl Liveness for KernelLiveness {
    fn me(&self) -> Tag {
        tag(self.0)
    }
    fn is_alive(&self, other: Tag) -> bool {
        other == tag(self.0) || is_byte_locked(other.index())
    }
    fn is_member(&self) -> bool {
        true
    }
    fn participants(&self) -> u32 {
        3
    }
}

/// As [`KernelLiveness`], of a process that recovers what others hold, by `.1`, when it reaps.
pub(crate) struct ReapingLiveness<F>(pub(crate) u32, pub(crate) F);

impl<F: Fn(u32)> Liveness for ReapingLiveness<F> {
    fn me(&self) -> Tag {
        tag(self.0)
    }
    fn is_alive(&self, other: Tag) -> bool {
        KernelLiveness(self.0).is_alive(other)
    }
    fn is_member(&self) -> bool {
        true
    }
    fn reap(&self, _urgent: bool) -> bool {
        (1..=3).filter(|id| *id != self.0).for_each(&self.1);
        true
    }
    fn participants(&self) -> u32 {
        3
    }
}

/// A registry that may have lost a live participant, through garbage in its word or an unmapped
/// lock. A claim asks it.
pub(crate) struct ModelRegistry {
    /// One bit for each process that is unregistered.
    lost: AtomicU32,
}

impl ModelRegistry {
    pub(crate) fn new() -> Self {
        Self {
            lost: AtomicU32::new(0),
        }
    }

    /// Unregisters process `id`, which lives, as a reaper does before it visits the entries. The
    /// caller recovers what the process holds.
    pub(crate) fn unregister(&self, id: u32) {
        // ORDERING: Release, Acquire; as the registry's words are changed.
        self.lost.fetch_or(1 << (id - 1), Ordering::AcqRel);
        if !mutation(575) {
            fence(Ordering::SeqCst);
        }
    }

    /// The liveness that process `id` is told.
    pub(crate) fn liveness(&self, id: u32) -> RegistryLiveness<'_> {
        let me = tag(id);
        RegistryLiveness { registry: self, me }
    }

    /// The liveness that the next owner of process 1's index is told.
    pub(crate) fn successor_liveness(&self) -> RegistryLiveness<'_> {
        let me = successor();
        RegistryLiveness { registry: self, me }
    }
}

/// A fixture and a registry, which may lose process 1.
pub(crate) struct WithRegistry<F> {
    fixture: F,
    pub(crate) registry: ModelRegistry,
}

impl<F> WithRegistry<F> {
    pub(crate) fn new(fixture: F) -> Self {
        let registry = ModelRegistry::new();
        Self { fixture, registry }
    }
}

impl<F> Deref for WithRegistry<F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.fixture
    }
}

/// The tag of the next owner of the index that process 1 had.
pub(crate) fn successor() -> Tag {
    Tag::new(0, 2).unwrap()
}

/// The liveness that one participant is told by a [`ModelRegistry`].
pub(crate) struct RegistryLiveness<'a> {
    registry: &'a ModelRegistry,
    pub(crate) me: Tag,
}

impl Liveness for RegistryLiveness<'_> {
    const KNOWS_UNREGISTERED: bool = true;

    fn me(&self) -> Tag {
        self.me
    }
    fn is_alive(&self, other: Tag) -> bool {
        other == self.me || !self.is_unregistered(other) && is_byte_locked(other.index())
    }
    fn is_member(&self) -> bool {
        !self.is_unregistered(self.me)
    }
    fn is_unregistered(&self, other: Tag) -> bool {
        // ORDERING: Acquire; as the registry's words are read.
        let lost = self.registry.lost.load(Ordering::Acquire);
        other.generation() == 1 && lost & 1 << other.index() != 0
    }
    fn is_registered(&self) -> bool {
        !self.is_unregistered(self.me)
    }
    fn participants(&self) -> u32 {
        3
    }
}

/// The byte locks as process `.0` uses them.
#[derive(Clone, Copy)]
pub(crate) struct ModelByteLocks(pub(crate) u32);

impl ByteLocks for ModelByteLocks {
    type Error = Infallible;

    fn try_lock(&self, index: u32) -> Result<bool, Infallible> {
        Ok(lock_byte(index, self.0))
    }
    fn unlock(&self, index: u32) -> Result<(), Infallible> {
        unlock_byte(index, self.0);
        Ok(())
    }
    fn is_locked(&self, index: u32) -> bool {
        is_byte_locked(index)
    }
}

/// Two numbers that are equal unless a process is between the two writes, or died there. loom fails
/// the model if two processes access them at once.
pub(crate) struct Pair(Words<1>, Words<1>);

impl Pair {
    pub(crate) fn new() -> Self {
        Self(Words::new([0]), Words::new([0]))
    }

    /// Makes them equal again.
    pub(crate) fn repair(&self) {
        self.1.write(&self.0.read());
    }

    /// Counts both up.
    pub(crate) fn bump(&self) {
        let [first] = self.0.read();
        let [second] = self.1.read();
        assert_eq!(first, second, "torn data, and no owner was reported dead");
        self.0.write(&[first + 1]);
        self.1.write(&[first + 1]);
    }

    /// Counts the first up alone, as a process that panics there.
    pub(crate) fn tear(&self) {
        let [first] = self.0.read();
        self.0.write(&[first + 1]);
    }

    /// Returns the value, as a reader sees it.
    pub(crate) fn look(&self) -> u64 {
        let [first] = self.0.read();
        let [second] = self.1.read();
        assert_eq!(first, second, "torn data, and no writer was reported dead");
        first
    }

    pub(crate) fn value(&self) -> u64 {
        let [first] = self.0.read();
        first
    }
}
