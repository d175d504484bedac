//! A process of a trial: it sends or receives, without a pause.

use crossdock_cli::pin::pin;
use crossdock_cli::worker::{die_with, message};
use serde::{Deserialize, Serialize};

use super::board::{Ledger, Part, Phase};
use super::links::WORDS;
use super::{Link, Role, TURN};

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Job<H> {
    pub(super) queue: H,
    pub(super) ledger: Ledger,
    pub(super) role: Role,
    /// Its place on the board.
    pub(super) part: usize,
    /// Of a sender, the how manyth it is.
    pub(super) sender: usize,
    pub(super) parent: u32,
    /// Where it runs.
    pub(super) core: usize,
}

/// A receiver that got nothing so often in a row, when there are no senders any more, has got all.
const NOTHING_LEFT: u32 = 3;

pub(super) fn work<L: Link>(job: Job<L::Handle>) -> Result<(), String> {
    die_with(job.parent)?;
    pin(job.core).map_err(message)?;
    let (ledger, part) = (&job.ledger, job.ledger.part(job.part));
    match job.role {
        Role::Sender => {
            let mut sender = L::sender(&job.queue).map_err(message)?;
            gather(ledger, part);
            send::<L>(ledger, part, job.sender, &mut sender)
        }
        Role::Receiver => {
            let mut receiver = L::receiver(&job.queue).map_err(message)?;
            gather(ledger, part);
            receive::<L>(ledger, part, &mut receiver)
        }
    }
}

fn gather(ledger: &Ledger, part: &Part) {
    part.arrive();
    while ledger.phase() == Phase::Gather {
        std::thread::yield_now();
    }
}

/// Lets others run, now and then.
fn take_turns(part: &Part) {
    if part.count().is_multiple_of(TURN) {
        std::thread::yield_now();
    }
}

fn send<L: Link>(
    ledger: &Ledger,
    part: &Part,
    number: usize,
    sender: &mut L::Sender,
) -> Result<(), String> {
    while ledger.phase() == Phase::Traffic {
        let Some(item) = ledger.next(part, number) else {
            std::thread::yield_now();
            continue;
        };
        if L::send(sender, &[item; WORDS]).map_err(message)? {
            part.done();
            take_turns(part);
        }
    }
    Ok(())
}

fn receive<L: Link>(
    ledger: &Ledger,
    part: &Part,
    receiver: &mut L::Receiver,
) -> Result<(), String> {
    let mut nothing = 0;
    while nothing < NOTHING_LEFT {
        let drain = ledger.phase() == Phase::Drain;
        match L::recv(receiver).map_err(message)? {
            Some(item) => {
                ledger.arrived(part, &item);
                take_turns(part);
                nothing = 0;
            }
            None if drain => nothing += 1,
            None => {}
        }
    }
    Ok(())
}
