//! A ring of one producer and one consumer as it is seen from outside.

use core::mem::offset_of;

use super::SpscState;
use crate::algorithm::look::{Look, Sight};

/// The depth, and both ends.
pub(crate) fn view(look: &Look<'_>) -> Option<Sight> {
    let [capacity, ..] = look.record.config;
    let sent = look.long(offset_of!(SpscState, producer.0.position))?;
    let received = look.long(offset_of!(SpscState, consumer.0.position))?;
    Some(
        Sight::new()
            .with("depth", sent.wrapping_sub(received).min(capacity))
            .with("capacity", capacity)
            .with("sent", sent)
            .with("received", received)
            .with(
                "producer",
                look.holder(offset_of!(SpscState, producer.0.claim))?,
            )
            .with(
                "consumer",
                look.holder(offset_of!(SpscState, consumer.0.claim))?,
            )
            .with(
                "producer waits",
                look.has_waiters(offset_of!(SpscState, consumer.0.event))?,
            )
            .with(
                "consumer waits",
                look.has_waiters(offset_of!(SpscState, producer.0.event))?,
            ),
    )
}
