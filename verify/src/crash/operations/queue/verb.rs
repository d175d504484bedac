//! What victims do at a queue, and what is there before.

use crossdock::queue::TrySendError;

use super::place::{Dead, Place, rehearse};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Send,
    /// As a process's first operation, which joins.
    SendFirst,
    /// To a receiver that sleeps.
    SendWake,
    TrySendFull,
    ForceSend,
    /// Replaces an item whose receiver was killed.
    ForceSendDead,
    SendSlice,
    Recv,
    /// Takes an item whose receiver was killed.
    RecvAgain,
    /// Passes the slot of a sender that was killed.
    RecvSkip,
    RecvSlice,
    /// Takes the last item of a closed queue.
    RecvLast,
    Close,
    /// While a receiver sleeps.
    CloseWake,
    /// Becomes a counted sender.
    CountSender,
    /// Sends as the only counted sender.
    SenderSend,
    /// Leaves as the only counted sender.
    DropSender,
    CountReceiver,
    ReceiverRecv,
    DropReceiver,
    /// Reaps one that was killed in a send.
    ReapSender,
    /// Reaps one that was killed in a receipt.
    ReapReceiver,
}

/// What others send meanwhile.
pub(super) const OTHER: u64 = 5;

impl Verb {
    /// The items that are there before the victim's first step, in their order.
    pub(super) fn before(self) -> &'static [u64] {
        match self {
            Self::SendWake | Self::CloseWake => &[],
            Self::Send
            | Self::SendFirst
            | Self::SendSlice
            | Self::CountSender
            | Self::SenderSend
            | Self::DropSender
            | Self::CountReceiver
            | Self::DropReceiver
            | Self::RecvAgain
            | Self::RecvLast => &[1],
            Self::RecvSkip | Self::Close | Self::ReapSender => &[1, 2],
            Self::Recv | Self::RecvSlice | Self::ReceiverRecv | Self::ReapReceiver => &[1, 2, 3],
            Self::TrySendFull | Self::ForceSend | Self::ForceSendDead => &[1, 2, 3, 4],
        }
    }

    /// What the victim sends, in this order.
    pub(super) fn sends(self) -> &'static [u64] {
        match self {
            Self::Send
            | Self::SendFirst
            | Self::SendWake
            | Self::TrySendFull
            | Self::ForceSend
            | Self::ForceSendDead
            | Self::SenderSend => &[7],
            Self::SendSlice => &[7, 8, 9],
            _ => &[],
        }
    }

    /// How many items the victim receives.
    pub(super) fn takes(self) -> usize {
        match self {
            Self::ForceSend
            | Self::ForceSendDead
            | Self::Recv
            | Self::RecvAgain
            | Self::RecvSkip
            | Self::RecvLast
            | Self::ReceiverRecv => 1,
            Self::RecvSlice => 2,
            _ => 0,
        }
    }

    /// Whether the victim takes an item only to make room, and is not told whether it came again.
    pub(super) fn replaces(self) -> bool {
        matches!(self, Self::ForceSend | Self::ForceSendDead)
    }

    /// Who died at the queue before the victim came.
    pub(super) fn dead(self) -> Option<Dead> {
        match self {
            Self::RecvSkip | Self::ReapSender => Some(Dead::Sending),
            Self::RecvAgain | Self::ForceSendDead | Self::ReapReceiver => Some(Dead::Receiving),
            _ => None,
        }
    }

    /// Whether its last change of the segment is the commit of all that it sends and receives.
    pub(super) fn ends_with_its_commit(self) -> bool {
        let one = self.sends().len() + self.takes() == 1;
        one && !matches!(self, Self::TrySendFull | Self::SendWake)
    }

    pub(super) fn has_sleeper(self) -> bool {
        matches!(self, Self::SendWake | Self::CloseWake)
    }

    /// Whether the queue is closed in the end.
    pub(super) fn closes(self) -> bool {
        self.is_closed() || matches!(self, Self::Close | Self::CloseWake)
    }

    /// Whether it is closed before the victim's first step.
    pub(super) fn is_closed(self) -> bool {
        self == Self::RecvLast
    }

    /// The victim is the only counted sender, from its first step on or after its last.
    pub(super) fn is_sender(self) -> bool {
        self == Self::CountSender || self.last_sender()
    }

    /// The victim is the only counted sender from its first step on.
    pub(super) fn last_sender(self) -> bool {
        matches!(self, Self::SenderSend | Self::DropSender)
    }

    /// The same for a receiver.
    pub(super) fn is_receiver(self) -> bool {
        self == Self::CountReceiver || self.last_receiver()
    }

    pub(super) fn last_receiver(self) -> bool {
        matches!(self, Self::ReceiverRecv | Self::DropReceiver)
    }
}

/// What a victim ends with that got none of what it was to get.
pub(super) const NONE: u8 = 0;
/// What it ends with if an item was marked as delivered again; beside [`bit`]s.
pub(super) const AGAIN: u8 = 1 << 7;
const FAILED: u8 = AGAIN | NONE;

/// How a victim tells that it has received an item, or sent one.
pub(super) fn bit(item: u64) -> u8 {
    1 << (item - 1).min(6)
}

fn sent<E>(outcome: Result<(), E>) -> u8 {
    outcome.map_or(FAILED, |()| bit(7))
}

/// The victim, without its seeded bug: prepares, calls `begin`, and does it.
pub(super) fn act(verb: Verb, place: &Place, begin: &mut dyn FnMut()) -> u8 {
    let queue = &place.queue;
    if verb != Verb::SendFirst {
        rehearse(&place.spare);
    }
    match verb {
        Verb::Send | Verb::SendFirst | Verb::SendWake => {
            begin();
            sent(queue.send(7))
        }
        Verb::TrySendFull => {
            begin();
            match queue.try_send(7) {
                Ok(()) => bit(7),
                Err(TrySendError::Full(7)) => NONE,
                Err(_) => FAILED,
            }
        }
        Verb::ForceSend | Verb::ForceSendDead => {
            begin();
            match queue.force_send(7) {
                Ok(dropped) => dropped.map_or(NONE, bit) | bit(7),
                Err(_) => FAILED,
            }
        }
        Verb::SendSlice => {
            begin();
            match queue.send_slice(verb.sends()) {
                Ok(3) => bit(7),
                _ => FAILED,
            }
        }
        Verb::Recv | Verb::RecvLast => {
            begin();
            queue.recv().map_or(FAILED, bit)
        }
        Verb::RecvAgain | Verb::RecvSkip => {
            begin();
            let again = |again| if again { AGAIN } else { 0 };
            match queue.recv_marked() {
                Ok(got) => bit(got.value) | again(got.redelivered),
                Err(_) => FAILED,
            }
        }
        Verb::RecvSlice => {
            let mut items = [0; 2];
            begin();
            // Both are there, whatever others do.
            match queue.recv_slice(&mut items) {
                Ok(2) => bit(items[0]) | bit(items[1]),
                _ => FAILED,
            }
        }
        Verb::Close | Verb::CloseWake => {
            begin();
            queue.close();
            NONE
        }
        Verb::CountSender => {
            begin();
            let sender = queue.sender();
            let counted = sender.is_ok();
            std::mem::forget(sender);
            if counted { NONE } else { FAILED }
        }
        Verb::SenderSend => {
            let Ok(sender) = queue.sender() else {
                return FAILED;
            };
            begin();
            let outcome = sender.send(7);
            std::mem::forget(sender);
            sent(outcome)
        }
        Verb::DropSender => {
            let Ok(sender) = queue.sender() else {
                return FAILED;
            };
            begin();
            drop(sender);
            NONE
        }
        Verb::CountReceiver => {
            begin();
            let receiver = queue.receiver();
            let counted = receiver.is_ok();
            std::mem::forget(receiver);
            if counted { NONE } else { FAILED }
        }
        Verb::ReceiverRecv => {
            let Ok(receiver) = queue.receiver() else {
                return FAILED;
            };
            begin();
            let outcome = receiver.recv();
            std::mem::forget(receiver);
            outcome.map_or(FAILED, bit)
        }
        Verb::DropReceiver => {
            let Ok(receiver) = queue.receiver() else {
                return FAILED;
            };
            begin();
            drop(receiver);
            NONE
        }
        Verb::ReapSender | Verb::ReapReceiver => {
            begin();
            let reaping = place.base.segment.reap();
            if reaping.stuck == 0 { NONE } else { FAILED }
        }
    }
}

/// The victim, with its seeded bug.
pub(super) fn act_wrongly(verb: Verb, place: &Place, begin: &mut dyn FnMut()) -> u8 {
    let queue = &place.queue;
    rehearse(&place.spare);
    // Before its first step, as the victim without the bug.
    let sender = match verb.last_sender() {
        true => queue.sender().ok(),
        false => None,
    };
    let receiver = match verb.last_receiver() {
        true => queue.receiver().ok(),
        false => None,
    };
    begin();
    let told = match verb {
        Verb::SendWake => sent(place.spare.send(7)),
        Verb::TrySendFull => {
            let thrown_away = queue.try_recv().is_ok();
            if thrown_away {
                sent(queue.send(7))
            } else {
                FAILED
            }
        }
        Verb::SendSlice => match queue.send_slice(&[7, 9, 8]) {
            Ok(3) => bit(7),
            _ => FAILED,
        },
        Verb::ForceSend | Verb::ForceSendDead => {
            let dropped = queue.try_recv().ok().and(queue.force_send(7).ok());
            dropped.map_or(FAILED, |dropped| dropped.map_or(NONE, bit) | bit(7))
        }
        Verb::Recv | Verb::RecvAgain | Verb::RecvSkip | Verb::RecvSlice | Verb::ReceiverRecv => {
            let item = queue.recv().unwrap_or(0);
            sent(queue.send(item));
            bit(item.max(1))
        }
        Verb::CloseWake => {
            place.spare.close();
            NONE
        }
        // It says that it has taken the item, and was counted instead.
        Verb::RecvLast => {
            std::mem::forget(queue.receiver());
            bit(1)
        }
        _ => {
            sent(queue.send(UNHEARD_OF));
            let told = match verb.sends() {
                [] => NONE,
                all => sent(all.iter().try_for_each(|item| queue.send(*item))),
            };
            if verb == Verb::Close {
                queue.close();
            }
            told
        }
    };
    match verb {
        Verb::DropSender | Verb::DropReceiver => drop((sender, receiver)),
        _ => std::mem::forget((sender, receiver)),
    }
    told
}

/// What only seeded bugs send.
const UNHEARD_OF: u64 = 67;
