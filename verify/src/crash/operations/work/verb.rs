//! What victims do at a work queue, and what is there before.

use std::time::Duration;

use super::place::{ATTEMPTS, Dead, Kind, Place, Sleeper, rehearse};
use crate::line::{Held, Patience, Refused};

/// What the victim does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    LoanDrop,
    LoanSend,
    Send,
    /// As a process's first operation, which joins.
    SendFirst,
    /// To a receiver that sleeps.
    SendWake,
    /// Past the slot of a receiver that was killed, which is full since.
    SendPast,
    TrySendFull,
    /// Takes the place of a sender that was killed.
    SendReap,
    Recv,
    RecvAck,
    /// Takes a message that was given back.
    RecvReturned,
    /// Takes a message whose receiver was killed.
    RecvAgain,
    /// Beside a sender that was killed.
    RecvBeside,
    /// Past a message that cannot be read.
    RecvBroken,
    Ack,
    /// To a sender that sleeps.
    AckWake,
    /// To one that waits for the queue to be idle.
    AckIdle,
    Nack,
    /// For so late that it does not come again here.
    NackLater,
    /// To a receiver that sleeps.
    NackWake,
    Drop,
    Reject,
    /// Gives back a message after its last attempt.
    NackLast,
    DropLast,
    LetterAck,
    LetterDrop,
    WaitIdle,
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
    /// Reaps one that was killed with a loan.
    ReapLoaner,
    /// Reaps one that was killed in a send.
    ReapSender,
    /// Reaps one that was killed in a receipt.
    ReapReceiver,
    /// Reaps one that was killed with a message in its hands.
    ReapHolder,
    /// The same at its last attempt.
    ReapLast,
}

/// What others send meanwhile.
pub(super) const OTHER: u64 = 9;
/// What the victim sends.
const SENT: u64 = 7;
/// The message that the victim has from the beginning, or that is a dead letter.
pub(super) const FIRST: u64 = 1;

impl Verb {
    /// The messages that are there before the victim's first step, in their order.
    pub(super) fn before(self) -> &'static [u64] {
        match self {
            Self::SendWake | Self::CloseWake | Self::WaitIdle => &[],
            Self::LoanDrop
            | Self::LoanSend
            | Self::Send
            | Self::SendFirst
            | Self::AckIdle
            | Self::NackWake
            | Self::CountSender
            | Self::SenderSend
            | Self::DropSender
            | Self::CountReceiver
            | Self::DropReceiver
            | Self::RecvAgain
            | Self::RecvReturned => &[1],
            Self::RecvBeside
            | Self::RecvBroken
            | Self::Ack
            | Self::Nack
            | Self::NackLater
            | Self::Drop
            | Self::Reject
            | Self::NackLast
            | Self::DropLast
            | Self::LetterAck
            | Self::LetterDrop
            | Self::Close
            | Self::ReapLoaner
            | Self::ReapSender => &[1, 2],
            Self::Recv
            | Self::RecvAck
            | Self::ReceiverRecv
            | Self::ReapReceiver
            | Self::ReapHolder
            | Self::ReapLast => &[1, 2, 3],
            Self::SendReap | Self::SendPast => &[1, 2, 3, 4],
            Self::TrySendFull | Self::AckWake => &[1, 2, 3, 4, 6],
        }
    }

    /// How often the first of them was given back.
    pub(super) fn returned(self) -> u8 {
        match self {
            Self::NackLast | Self::DropLast | Self::ReapLast => ATTEMPTS - 1,
            Self::RecvReturned => 1,
            _ => 0,
        }
    }

    /// Whether the first of them is a dead letter.
    pub(super) fn buries(self) -> bool {
        matches!(self, Self::LetterAck | Self::LetterDrop)
    }

    /// Whether no process can read the first of them: a process that receives it makes a dead
    /// letter of it.
    pub(super) fn breaks(self) -> bool {
        self == Self::RecvBroken
    }

    /// How often a message was delivered before the victim's first step, but for to itself.
    pub(super) fn delivered(self, item: u64) -> u8 {
        let died_with_it = self.dead().is_some_and(|dead| !dead.is_sender());
        match item {
            FIRST => self.returned() + u8::from(self.buries()) + u8::from(died_with_it),
            _ => 0,
        }
    }

    /// What the victim sends.
    pub(super) fn sends(self) -> &'static [u64] {
        match self {
            Self::LoanSend
            | Self::Send
            | Self::SendFirst
            | Self::SendWake
            | Self::SendPast
            | Self::SendReap
            | Self::TrySendFull
            | Self::SenderSend => &[SENT],
            _ => &[],
        }
    }

    /// How many cells the victim may have a loan of.
    pub(super) fn loans(self) -> usize {
        self.sends().len() + usize::from(self == Self::LoanDrop)
    }

    /// How many messages the victim receives.
    pub(super) fn takes(self) -> usize {
        usize::from(matches!(
            self,
            Self::Recv
                | Self::RecvAck
                | Self::RecvReturned
                | Self::RecvAgain
                | Self::RecvBeside
                | Self::RecvBroken
                | Self::ReceiverRecv
        ))
    }

    /// Whether the victim has the first message before its first step.
    pub(super) fn holds(self) -> bool {
        matches!(
            self,
            Self::Ack
                | Self::AckWake
                | Self::AckIdle
                | Self::Nack
                | Self::NackLater
                | Self::NackWake
                | Self::Drop
                | Self::Reject
                | Self::NackLast
                | Self::DropLast
        )
    }

    /// Whether a message is done when the victim is.
    pub(super) fn acks(self) -> bool {
        matches!(
            self,
            Self::Ack | Self::AckWake | Self::AckIdle | Self::RecvAck | Self::LetterAck
        )
    }

    /// Whether the first message does not come again when the victim is done.
    pub(super) fn delays(self) -> bool {
        self == Self::NackLater
    }

    /// Whether the first message is a dead letter whatever becomes of the victim, unless it
    /// acknowledges it.
    pub(super) fn ends_buried(self) -> bool {
        matches!(
            self,
            Self::NackLast
                | Self::DropLast
                | Self::ReapLast
                | Self::LetterAck
                | Self::LetterDrop
                | Self::RecvBroken
        )
    }

    /// Who died at the queue before the victim came.
    pub(super) fn dead(self) -> Option<Dead> {
        match self {
            Self::SendReap | Self::ReapLoaner => Some(Dead::Loaning),
            Self::RecvBeside | Self::ReapSender => Some(Dead::Sending),
            Self::RecvAgain | Self::ReapReceiver => Some(Dead::Receiving),
            Self::ReapHolder | Self::ReapLast => Some(Dead::Holding),
            _ => None,
        }
    }

    /// How many changes of the segment follow the commit, where the victim has one; its message has
    /// so many cells.
    pub(super) fn after_commit(self, cells: usize) -> Option<usize> {
        match self {
            // All others are freed, then the first.
            Self::Ack | Self::LetterAck if cells > 1 => Some(cells),
            Self::LoanSend | Self::Send | Self::SendFirst | Self::SendPast | Self::SenderSend => {
                Some(0)
            }
            Self::Ack | Self::LetterAck | Self::Reject => Some(0),
            // The epoch.
            Self::NackLater => Some(1),
            // The slot of what it has is freed.
            Self::Recv | Self::RecvBeside | Self::ReceiverRecv => Some(1),
            // What was given back is in no slot.
            Self::RecvReturned => Some(0),
            _ => None,
        }
    }

    pub(super) fn sleeper(self) -> Option<Sleeper> {
        match self {
            Self::SendWake | Self::NackWake | Self::CloseWake => Some(Sleeper::Receiver),
            Self::AckWake => Some(Sleeper::Sender),
            Self::AckIdle => Some(Sleeper::Waiter),
            _ => None,
        }
    }

    pub(super) fn closes(self) -> bool {
        matches!(self, Self::Close | Self::CloseWake)
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

/// What a process tells with its end of a message that it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) item: u64,
    pub(super) attempt: u8,
}

/// What a victim ends with that got nothing, and did all.
pub(super) const NONE: u8 = 0;
const FAILED: u8 = 128;

impl Told {
    pub(super) fn of(delivery: &impl Held) -> Self {
        Self {
            item: delivery.word().unwrap_or(0),
            attempt: delivery.attempt(),
        }
    }

    /// The code to end with: never that of a panic, since no process sends a 5.
    pub(super) fn code(self) -> u8 {
        let item = u8::try_from(self.item.min(15)).unwrap_or(15);
        1 << 6 | self.attempt.min(3) << 4 | item
    }

    /// `None` for a code that tells of nothing.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        (code >> 6 == 1).then(|| Self {
            item: u64::from(code & 15),
            attempt: code >> 4 & 3,
        })
    }
}

fn sent<E>(outcome: Result<(), E>) -> u8 {
    let told = Told {
        item: SENT,
        attempt: 0,
    };
    outcome.map_or(FAILED, |()| told.code())
}

fn done<E>(outcome: Result<(), E>) -> u8 {
    outcome.map_or(FAILED, |()| NONE)
}

fn acked(delivery: impl Held) -> u8 {
    let told = Told::of(&delivery);
    delivery.ack().map_or(FAILED, |()| told.code())
}

/// Ends with the message in its hands.
fn keep<E>(delivery: Result<impl Held, E>) -> u8 {
    let code = delivery
        .as_ref()
        .map_or(FAILED, |delivery| Told::of(delivery).code());
    std::mem::forget(delivery);
    code
}

/// The victim, without its seeded bug: prepares, calls `begin`, and does it.
pub(super) fn act<Q: Kind>(verb: Verb, place: &Place<Q>, begin: &mut dyn FnMut()) -> u8 {
    let queue = &place.queue;
    if verb != Verb::SendFirst {
        rehearse(&place.spare);
    }
    if verb.holds() {
        return match queue.receive(Patience::Try) {
            Ok(delivery) => {
                begin();
                finish(verb, delivery)
            }
            Err(_) => FAILED,
        };
    }
    match verb {
        Verb::LoanDrop => {
            begin();
            match queue.send_loan(SENT, Patience::Ever, true) {
                Err(Refused::Nothing) => NONE,
                _ => FAILED,
            }
        }
        Verb::LoanSend => {
            begin();
            sent(queue.send_loan(SENT, Patience::Ever, false))
        }
        Verb::TrySendFull => {
            begin();
            match queue.send(SENT, Patience::Try) {
                Ok(()) => sent::<()>(Ok(())),
                Err(Refused::Nothing) => NONE,
                Err(_) => FAILED,
            }
        }
        Verb::RecvAck => {
            begin();
            queue.receive(Patience::Ever).map_or(FAILED, acked)
        }
        Verb::LetterAck | Verb::LetterDrop => {
            begin();
            match queue.letter() {
                Ok(Some(letter)) => finish(verb, letter),
                _ => FAILED,
            }
        }
        Verb::WaitIdle => {
            begin();
            done(queue.wait_idle(Patience::Ever))
        }
        Verb::Close | Verb::CloseWake => {
            begin();
            queue.close();
            NONE
        }
        verb if verb.takes() > 0 && !verb.is_receiver() => {
            begin();
            keep(queue.receive(Patience::Ever))
        }
        verb if verb.is_sender() => as_sender(verb, place, begin),
        verb if verb.is_receiver() => as_receiver(verb, place, begin),
        verb if verb.sends().is_empty() => {
            begin();
            let reaping = place.base.segment.reap();
            if reaping.stuck == 0 { NONE } else { FAILED }
        }
        _ => {
            begin();
            sent(queue.send(SENT, Patience::Ever))
        }
    }
}

/// Ends what the victim has in its hands.
fn finish(verb: Verb, delivery: impl Held) -> u8 {
    match verb {
        Verb::Nack | Verb::NackWake | Verb::NackLast => done(delivery.nack(Duration::ZERO)),
        Verb::NackLater => done(delivery.nack(LATER)),
        Verb::Drop | Verb::DropLast | Verb::LetterDrop => {
            drop(delivery);
            NONE
        }
        Verb::Reject => done(delivery.reject()),
        _ => acked(delivery),
    }
}

/// Longer than any test.
const LATER: Duration = Duration::from_secs(24 * 60 * 60);

fn as_sender<Q: Kind>(verb: Verb, place: &Place<Q>, begin: &mut dyn FnMut()) -> u8 {
    if verb == Verb::CountSender {
        begin();
    }
    let Ok(sender) = place.queue.count_sender() else {
        return FAILED;
    };
    match verb {
        Verb::SenderSend => {
            begin();
            let outcome = sender.send(SENT, Patience::Ever);
            std::mem::forget(sender);
            sent(outcome)
        }
        Verb::DropSender => {
            begin();
            drop(sender);
            NONE
        }
        _ => {
            std::mem::forget(sender);
            NONE
        }
    }
}

fn as_receiver<Q: Kind>(verb: Verb, place: &Place<Q>, begin: &mut dyn FnMut()) -> u8 {
    if verb == Verb::CountReceiver {
        begin();
    }
    let Ok(receiver) = place.queue.count_receiver() else {
        return FAILED;
    };
    match verb {
        Verb::ReceiverRecv => {
            begin();
            let code = keep(receiver.receive(Patience::Ever));
            std::mem::forget(receiver);
            code
        }
        Verb::DropReceiver => {
            begin();
            drop(receiver);
            NONE
        }
        _ => {
            std::mem::forget(receiver);
            NONE
        }
    }
}

/// The victim, with its seeded bug.
pub(super) fn act_wrongly<Q: Kind>(verb: Verb, place: &Place<Q>, begin: &mut dyn FnMut()) -> u8 {
    let queue = &place.queue;
    if verb.holds() {
        rehearse(&place.spare);
        return match queue.receive(Patience::Try) {
            Ok(delivery) => {
                begin();
                finish_wrongly(verb, delivery)
            }
            Err(_) => FAILED,
        };
    }
    let mut begin = || {
        begin();
        match verb {
            Verb::SendWake | Verb::SendReap | Verb::SendPast | Verb::CloseWake => {}
            Verb::TrySendFull => {
                // Thrown away to make room.
                let _ = queue.receive(Patience::Try).map(Held::ack);
            }
            verb if verb.takes() > 0 || verb.buries() => {}
            _ => drop(queue.send(UNHEARD_OF, Patience::Ever)),
        }
    };
    match verb {
        Verb::SendWake => {
            begin();
            sent(place.spare.send(SENT, Patience::Ever))
        }
        Verb::SendReap | Verb::SendPast => {
            rehearse(&place.spare);
            begin();
            sent(queue.send(UNHEARD_OF, Patience::Ever))
        }
        // It does not wait: it would forever.
        Verb::WaitIdle => {
            rehearse(&place.spare);
            begin();
            NONE
        }
        Verb::CloseWake => {
            begin();
            place.spare.close();
            NONE
        }
        Verb::RecvBroken => {
            rehearse(&place.spare);
            begin();
            let code = keep(queue.receive(Patience::Ever));
            // It was given up, and no process has looked at it.
            if let Ok(Some(letter)) = queue.letter() {
                let _ = letter.ack();
            }
            code
        }
        Verb::LetterAck => act(Verb::LetterDrop, place, &mut begin),
        Verb::LetterDrop => act(Verb::LetterAck, place, &mut begin),
        verb if verb.takes() > 0 => {
            rehearse(&place.spare);
            let receiver = verb.last_receiver().then(|| queue.count_receiver());
            begin();
            let code = match queue.receive(Patience::Ever) {
                // Sent again, where it is to be held.
                Ok(delivery) => {
                    let told = Told::of(&delivery);
                    let again = queue.send(told.item, Patience::Ever);
                    let again = again.is_ok() && delivery.ack().is_ok();
                    if again { told.code() } else { FAILED }
                }
                Err(_) => FAILED,
            };
            std::mem::forget(receiver);
            code
        }
        verb => act(verb, place, &mut begin),
    }
}

fn finish_wrongly(verb: Verb, delivery: impl Held) -> u8 {
    let told = Told::of(&delivery);
    match verb {
        verb if verb.acks() => delivery
            .nack(Duration::ZERO)
            .map_or(FAILED, |()| told.code()),
        Verb::Reject => finish(Verb::Nack, delivery),
        _ => done(delivery.ack()),
    }
}

/// What only seeded bugs send.
const UNHEARD_OF: u64 = 67;
