//! The last sender of a queue on its way from a parent to its child: receivers are told when
//! neither has it any more, and not before; and if they were told, that is final.

use std::cell::RefCell;
use std::time::Duration;

use crossdock::process::take_over_sender;
use crossdock::queue::{Queue, RecvTimeoutError, SenderOf, TryRecvError, wait_any_timeout};
use crossdock_spec::FAILED;
use crossdock_spec::hand_over::Op::{
    Close, Drop, DropParents, Ends, IsClosed, IsOver, Reap, Send, Sender, TakeOver,
};
use crossdock_spec::hand_over::{OVER, Op, State};

use crate::crash::operation::Base;
use crate::crash::specified::{Subject, specified};
use crate::crash::sweep::Listed;
use crate::process::Rig;

struct HandOver {
    queue: Queue<u64>,
    parents: RefCell<Option<SenderOf<Queue<u64>>>>,
}

impl Subject for HandOver {
    type Spec = State;
    type Hand<'a> = Option<SenderOf<Queue<u64>>>;

    fn create(base: &Base, first: &State) -> Rig<Self> {
        let queue: Queue<u64> = base.segment.create("queue", 4)?;
        let parents = Some(queue.sender()?).filter(|_| first.parent);
        let parents = RefCell::new(parents);
        Ok(Self { queue, parents })
    }

    fn run<'a>(
        &'a self,
        base: &Base,
        op: Op,
        sender: &mut Self::Hand<'a>,
        patience: Option<Duration>,
    ) -> Option<u8> {
        let is_done = match op {
            Sender => {
                *sender = self.queue.sender().ok();
                sender.is_some()
            }
            TakeOver => {
                *sender = take_over_sender(&self.queue);
                return Some(if sender.is_some() { 0 } else { OVER });
            }
            Drop => {
                *sender = None;
                true
            }
            DropParents => {
                self.parents.take();
                true
            }
            IsOver => {
                let is_ready = wait_any_timeout(&[&self.queue], Duration::ZERO).is_ok();
                let is_over = match self.queue.try_recv() {
                    Err(TryRecvError::Disconnected) => true,
                    Err(TryRecvError::Empty) if !is_ready => false,
                    _ => return Some(FAILED),
                };
                return Some(is_over.into());
            }
            Ends => match self
                .queue
                .recv_timeout(patience.unwrap_or(Duration::from_secs(10)))
            {
                Err(RecvTimeoutError::Timeout) => return None,
                ended => ended == Err(RecvTimeoutError::Disconnected),
            },
            Send => sender.as_ref()?.send(5).is_ok() && self.queue.try_recv() == Ok(5),
            Close => {
                self.queue.close();
                true
            }
            IsClosed => return Some(self.queue.is_closed().into()),
            Reap => base.segment.reap().stuck == 0,
        };
        Some(if is_done { 0 } else { FAILED })
    }
}

const PARENT: State = State {
    parent: true,
    has: [false; 3],
};
/// Receivers are told, and a newcomer begins anew, and ends it.
const LAST: &[Op] = &[Ends, IsClosed, Sender, Send, IsOver, Drop, Ends];
const PARENT_LAST: &[Op] = &[
    DropParents,
    Ends,
    IsClosed,
    Sender,
    Send,
    IsOver,
    Drop,
    Ends,
];

/// The operations on ends that are handed over.
pub(crate) const LISTED: &[Listed] = specified! { HandOver;
    // The child takes over, while the parent, which is the rig, has the sender.
    "Sender: taken over" "a parent that does not wait for its child" {
        first: PARENT, bug_first: Some(State { parent: false, ..PARENT }),
        act: &[TakeOver], bug: &[TakeOver], meanwhile: &[IsOver], after: &[Reap, IsOver],
        last: PARENT_LAST,
    }
    // The parent was killed before, and receivers were told: the child finds it over.
    "Sender: taken over too late" "a child that revives the queue" {
        dead: &[Sender], before: &[Ends], act: &[TakeOver], bug: &[Sender],
        meanwhile: &[IsOver], last: LAST,
    }
    // The parent drops its sender, which its child, the rig, has taken over.
    "Sender: dropped after it was handed over" "the queue closed" {
        before: &[Sender], act: &[Drop], bug: &[Drop, Close],
        meanwhile: &[TakeOver, IsOver, Drop], last: LAST,
    }
};
