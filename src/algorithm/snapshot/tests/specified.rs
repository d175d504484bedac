//! The snapshot under loom, by its specification.

use crossdock_spec::snapshot::{Op, SEATS, State};
use loom::sync::Arc;

use super::super::{ReaderClaim, ReaderSlot, Snapshot, SnapshotState, WriterClaim};
use crate::algorithm::snapshot::layout::ReaderState;
use crate::facade::{AtomicU64, Words, mutants};
use crate::format::Padded;
use crate::participant::stage::model::{Roles, Specified, explore_as_specified};
use crate::participant::stage::{KernelLiveness, players, tag};

mutants! {
    model_snapshot_is_as_specified:
        952 "a commit publishes nothing",
        953 "a writer that leaves keeps its role";
}

const READERS: usize = SEATS as usize;

/// A snapshot and its buffers. loom tracks them: none may be read while it is written.
struct Board {
    state: SnapshotState,
    slots: [ReaderSlot; READERS],
    buffer_versions: [AtomicU64; READERS + 2],
    buffers: [Words<1>; READERS + 2],
}

impl Board {
    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot {
            state: &self.state,
            slots: &self.slots,
            buffer_versions: &self.buffer_versions,
        }
    }
}

impl Specified for Board {
    type Spec = State;
    type Hand = (Option<WriterClaim>, Option<ReaderClaim>);

    fn fixture() -> Arc<Self> {
        players();
        Arc::new(Self {
            state: SnapshotState::new(),
            slots: core::array::from_fn(|_| Padded(AtomicU64::new(0))),
            buffer_versions: core::array::from_fn(|_| AtomicU64::new(0)),
            buffers: core::array::from_fn(|_| Words::new([0])),
        })
    }

    fn run(&self, id: u32, op: Op, (writer, reader): &mut Self::Hand, _: bool) -> Option<u8> {
        let (snapshot, peers) = (self.snapshot(), KernelLiveness(id));
        match op {
            Op::Claim => *writer = Some(snapshot.claim_writer(&peers).ok()?),
            Op::Publish(value) => {
                let claim = writer.as_mut()?;
                let index = snapshot.pick(claim).expect("the claim is its own");
                self.buffers[index as usize].write(&[value.into()]);
                let committed = snapshot.commit(claim, index);
                committed.expect("the claim is its own");
            }
            Op::Leave => snapshot.release_writer(writer.take().map(|_| tag(id))?),
            Op::Sit => *reader = Some(snapshot.claim_slot(ReaderState::Idle, &peers).ok()?),
            Op::Read => {
                let index = snapshot.read(reader.as_mut()?);
                let index = index.expect("the slot is its own");
                let [value] = self.buffers[index as usize].read();
                return u8::try_from(value).ok();
            }
            op => panic!("{op:?} is not modelled"),
        }
        Some(0)
    }

    fn recover(&self) {
        self.snapshot().recover(tag(1));
    }
}

/// Hunts: a value that is read and was not published last, or is lost; a role that is had twice.
#[test]
fn model_snapshot_is_as_specified() {
    use Op::{Claim, Leave, Publish, Read, Sit};
    explore_as_specified::<Board>(&Roles {
        victim: &[Claim, Publish(1), Publish(2), Leave],
        other: &[Sit, Read, Read],
        last: &[Claim, Publish(3), Sit, Read, Leave, Claim],
    });
}
