//! What victims do at a work queue, each with the bug that the judge must catch.

use crossdock_spec::work::End::{Ack, Delay, Drop, Nack, Reject};
use crossdock_spec::work::Op::{
    self, Announce, Begin, Close, Commit, GiveUp, Join, Leave, Letter, LoanDrop, LoanSend, Reap,
    Recv, Return, Send, TakeUnreadable, TryBegin, TryRecv, TrySend, TrySendUnreadable, WaitIdle,
};
use crossdock_spec::work::Side;

use super::place::Dead;

/// An operation, and what is there before.
#[derive(Clone, Copy)]
pub(super) struct Verb {
    /// What others do first of all.
    pub(super) ready: &'static [Op],
    /// The process that dies at the queue before the victim comes.
    pub(super) dead: Option<Dead>,
    /// What the victim does before its first step.
    pub(super) before: &'static [Op],
    /// Whether it is no participant before its first step.
    pub(super) joins: bool,
    /// What it does then.
    pub(super) act: &'static [Op],
    pub(super) bug: Bug,
    /// How many changes of the segment follow the one by which all is done, of a message of so many
    /// cells, where there is one.
    pub(super) after_commit: fn(usize) -> Option<usize>,
    /// What a process does that sleeps in the first of these from the start.
    pub(super) sleeper: &'static [Op],
    /// What others do for a sleeper that may need more than the victim has done. Without any they
    /// receive all that is there.
    pub(super) rescue: &'static [Op],
}

/// What a victim with its bug does.
#[derive(Clone, Copy)]
pub(super) enum Bug {
    /// This, before it does the rest.
    First(&'static [Op]),
    /// This.
    Instead(&'static [Op]),
    /// Sends again what it has received, and acknowledges that.
    SendAgain,
    /// Does it to another queue.
    Elsewhere,
}

/// What the victim sends.
pub(super) const SENT: u32 = 7;
/// What others send meanwhile.
pub(super) const OTHER: u32 = 9;
/// What a sleeper sends.
const SLEEPERS: u32 = 8;
/// The message that the victim has from the beginning, or that is a dead letter.
pub(super) const FIRST: u32 = 1;
/// A message that no process sends.
const UNHEARD_OF: Bug = Bug::First(&[Send(67)]);

const ONE: &[Op] = &[TrySend(1)];
const TWO: &[Op] = &[TrySend(1), TrySend(2)];
const THREE: &[Op] = &[TrySend(1), TrySend(2), TrySend(3)];
const FOUR: &[Op] = &[TrySend(1), TrySend(2), TrySend(3), TrySend(4)];
const FULL: &[Op] = &[TrySend(1), TrySend(2), TrySend(3), TrySend(4), TrySend(6)];
pub(super) const ACK: Op = Op::End(Ack, 0);
pub(super) const NACK: Op = Op::End(Nack, 0);
const REJECT: Op = Op::End(Reject, 0);
const DROP: Op = Op::End(Drop, 0);
/// The first message has one more attempt.
const TWO_LAST: &[Op] = &[TrySend(1), TrySend(2), TryRecv, NACK, TryRecv, NACK];
const THREE_LAST: &[Op] = &[
    TrySend(1),
    TrySend(2),
    TrySend(3),
    TryRecv,
    NACK,
    TryRecv,
    NACK,
];
/// The first message is a dead letter.
const BURIED: &[Op] = &[TrySend(1), TrySend(2), TryRecv, REJECT];

impl Verb {
    const NEW: Self = Self {
        ready: &[],
        dead: None,
        before: &[],
        joins: false,
        act: &[],
        bug: UNHEARD_OF,
        after_commit: |_| None,
        sleeper: &[],
        rescue: &[],
    };

    const SENDING: Self = Self {
        act: &[Send(SENT)],
        after_commit: |_| Some(0),
        ..Self::NEW
    };
    pub(super) const LOAN_DROP: Self = Self {
        ready: ONE,
        act: &[LoanDrop(SENT)],
        ..Self::NEW
    };
    pub(super) const LOAN_SEND: Self = Self {
        ready: ONE,
        act: &[LoanSend(SENT)],
        ..Self::SENDING
    };
    pub(super) const SEND: Self = Self {
        ready: ONE,
        ..Self::SENDING
    };
    /// As a process's first operation, which joins.
    pub(super) const SEND_FIRST: Self = Self {
        joins: true,
        ..Self::SEND
    };
    /// To a receiver that sleeps.
    pub(super) const SEND_WAKE: Self = Self {
        act: &[Send(SENT)],
        bug: Bug::Elsewhere,
        sleeper: &[Recv, ACK],
        rescue: &[Send(OTHER + 1)],
        ..Self::NEW
    };
    /// Past the slot of a receiver that was killed, which is full since.
    pub(super) const SEND_PAST: Self = Self {
        ready: FOUR,
        dead: Some(Dead::Done),
        bug: Bug::Instead(&[Send(67)]),
        ..Self::SENDING
    };
    /// Takes the place of a sender that was killed.
    pub(super) const SEND_REAP: Self = Self {
        ready: FOUR,
        dead: Some(Dead::Loaning),
        act: &[Send(SENT)],
        bug: Bug::Instead(&[Send(67)]),
        ..Self::NEW
    };
    pub(super) const TRY_SEND_FULL: Self = Self {
        ready: FULL,
        act: &[TrySend(SENT)],
        bug: Bug::First(&[TryRecv, ACK]),
        ..Self::NEW
    };

    const RECEIVING: Self = Self {
        act: &[Recv],
        bug: Bug::SendAgain,
        // The slot of what it has is freed.
        after_commit: |_| Some(1),
        ..Self::NEW
    };
    pub(super) const RECV: Self = Self {
        ready: THREE,
        ..Self::RECEIVING
    };
    pub(super) const RECV_ACK: Self = Self {
        ready: THREE,
        act: &[Recv, ACK],
        bug: Bug::SendAgain,
        ..Self::NEW
    };
    /// Takes a message that was given back.
    pub(super) const RECV_RETURNED: Self = Self {
        ready: &[TrySend(1), TryRecv, NACK],
        // It is in no slot.
        after_commit: |_| Some(0),
        ..Self::RECEIVING
    };
    /// Takes a message whose receiver was killed.
    pub(super) const RECV_AGAIN: Self = Self {
        ready: ONE,
        dead: Some(Dead::Receiving),
        after_commit: |_| None,
        ..Self::RECEIVING
    };
    /// Beside a sender that was killed.
    pub(super) const RECV_BESIDE: Self = Self {
        ready: TWO,
        dead: Some(Dead::Sending),
        ..Self::RECEIVING
    };
    /// Past a message that cannot be read.
    pub(super) const RECV_BROKEN: Self = Self {
        ready: &[TrySendUnreadable(1), TrySend(2)],
        bug: Bug::Instead(&[Recv, Letter, Op::End(Ack, 1)]),
        after_commit: |_| None,
        ..Self::RECEIVING
    };

    /// The victim has the first message.
    const HOLDING: Self = Self {
        ready: TWO,
        before: &[Recv],
        bug: Bug::Instead(&[ACK]),
        ..Self::NEW
    };
    pub(super) const ACK: Self = Self {
        act: &[ACK],
        bug: Bug::Instead(&[NACK]),
        after_commit: parts,
        ..Self::HOLDING
    };
    /// To a sender that sleeps.
    pub(super) const ACK_WAKE: Self = Self {
        ready: FULL,
        sleeper: &[Send(SLEEPERS)],
        rescue: &[Recv, ACK],
        after_commit: |_| None,
        ..Self::ACK
    };
    /// To a process that waits for the queue to be idle.
    pub(super) const ACK_IDLE: Self = Self {
        ready: ONE,
        sleeper: &[WaitIdle],
        after_commit: |_| None,
        ..Self::ACK
    };
    pub(super) const NACK: Self = Self {
        act: &[NACK],
        ..Self::HOLDING
    };
    /// For so late that it does not come again here.
    pub(super) const NACK_LATER: Self = Self {
        act: &[Op::End(Delay, 0)],
        // The epoch.
        after_commit: |_| Some(1),
        ..Self::HOLDING
    };
    /// To a receiver that sleeps.
    pub(super) const NACK_WAKE: Self = Self {
        ready: ONE,
        sleeper: &[Recv, ACK],
        rescue: &[Send(OTHER + 1)],
        ..Self::NACK
    };
    pub(super) const DROP: Self = Self {
        act: &[DROP],
        ..Self::HOLDING
    };
    pub(super) const REJECT: Self = Self {
        act: &[REJECT],
        bug: Bug::Instead(&[NACK]),
        after_commit: |_| Some(0),
        ..Self::HOLDING
    };
    /// Gives back a message after its last attempt.
    pub(super) const NACK_LAST: Self = Self {
        ready: TWO_LAST,
        ..Self::NACK
    };
    pub(super) const DROP_LAST: Self = Self {
        ready: TWO_LAST,
        ..Self::DROP
    };
    pub(super) const LETTER_ACK: Self = Self {
        ready: BURIED,
        act: &[Letter, ACK],
        bug: Bug::Instead(&[Letter, DROP]),
        after_commit: parts,
        ..Self::NEW
    };
    pub(super) const LETTER_DROP: Self = Self {
        ready: BURIED,
        act: &[Letter, DROP],
        bug: Bug::Instead(&[Letter, ACK]),
        ..Self::NEW
    };

    pub(super) const WAIT_IDLE: Self = Self {
        act: &[WaitIdle],
        // It does not wait: it would forever.
        bug: Bug::Instead(&[Send(67)]),
        ..Self::NEW
    };
    pub(super) const CLOSE: Self = Self {
        ready: TWO,
        act: &[Close],
        ..Self::NEW
    };
    /// While a receiver sleeps.
    pub(super) const CLOSE_WAKE: Self = Self {
        act: &[Close],
        bug: Bug::Elsewhere,
        sleeper: &[Recv, ACK],
        rescue: &[Close],
        ..Self::NEW
    };
    /// Becomes a counted sender, the only one.
    pub(super) const COUNT_SENDER: Self = Self {
        ready: ONE,
        act: &[Join(Side::Sender)],
        ..Self::NEW
    };
    /// Sends as the only counted sender.
    pub(super) const SENDER_SEND: Self = Self {
        before: &[Join(Side::Sender)],
        ..Self::SEND
    };
    /// Leaves as the only counted sender.
    pub(super) const DROP_SENDER: Self = Self {
        ready: ONE,
        before: &[Join(Side::Sender)],
        act: &[Leave(Side::Sender)],
        ..Self::NEW
    };
    pub(super) const COUNT_RECEIVER: Self = Self {
        ready: ONE,
        act: &[Join(Side::Receiver)],
        ..Self::NEW
    };
    pub(super) const RECEIVER_RECV: Self = Self {
        before: &[Join(Side::Receiver)],
        ..Self::RECV
    };
    pub(super) const DROP_RECEIVER: Self = Self {
        ready: ONE,
        before: &[Join(Side::Receiver)],
        act: &[Leave(Side::Receiver)],
        ..Self::NEW
    };

    const REAPING: Self = Self {
        ready: TWO,
        act: &[Reap],
        ..Self::NEW
    };
    /// Reaps a process that was killed with a loan.
    pub(super) const REAP_LOANER: Self = Self {
        dead: Some(Dead::Loaning),
        ..Self::REAPING
    };
    /// In a send.
    pub(super) const REAP_SENDER: Self = Self {
        dead: Some(Dead::Sending),
        ..Self::REAPING
    };
    /// In a receipt.
    pub(super) const REAP_RECEIVER: Self = Self {
        ready: THREE,
        dead: Some(Dead::Receiving),
        ..Self::REAPING
    };
    /// With a message in its hands.
    pub(super) const REAP_HOLDER: Self = Self {
        ready: THREE,
        dead: Some(Dead::Holding),
        ..Self::REAPING
    };
    /// The same at its last attempt.
    pub(super) const REAP_LAST: Self = Self {
        ready: THREE_LAST,
        dead: Some(Dead::Holding),
        ..Self::REAPING
    };

    /// What the victim does, as the specification has it: in parts that others can tell apart.
    pub(super) fn steps(&self) -> &'static [Op] {
        match self.act {
            [Recv] if self.ready.contains(&TrySendUnreadable(FIRST)) => {
                &[TakeUnreadable, REJECT, Recv]
            }
            ops => steps(ops),
        }
    }

    /// The same of what a sleeper does.
    pub(super) fn sleepers_steps(&self) -> &'static [Op] {
        steps(self.sleeper)
    }

    /// How many messages the victim receives.
    pub(super) fn takes(&self) -> usize {
        self.act.iter().filter(|op| **op == Recv).count()
    }

    /// Whether the sleeper receives.
    pub(super) fn wakes_receiver(&self) -> bool {
        self.sleeper.contains(&Recv)
    }

    pub(super) fn closes(&self) -> bool {
        self.act == [Close]
    }

    /// Where the victim is the only process that is counted, from its first step on or after its
    /// last.
    pub(super) fn counted(&self) -> Option<Side> {
        self.before.iter().chain(self.act).find_map(|op| match op {
            Join(side) => Some(*side),
            _ => None,
        })
    }
}

/// All cells of a message but the first are freed, then that.
fn parts(cells: usize) -> Option<usize> {
    Some(if cells > 1 { cells } else { 0 })
}

fn steps(ops: &'static [Op]) -> &'static [Op] {
    match ops {
        [Send(SENT) | LoanSend(SENT)] => &[Begin, Commit(SENT, 0)],
        [Send(SLEEPERS)] => &[Begin, Commit(SLEEPERS, 0)],
        [TrySend(SENT)] => &[TryBegin, Commit(SENT, 0)],
        [LoanDrop(_)] => &[Begin, GiveUp(0)],
        [Op::End(Nack | Drop, 0)] => &[Return, Announce],
        ops => ops,
    }
}
