//! Waiting for one owner.

use core::time::Duration;

use crate::participant::{Liveness, Tag};
use crate::wait::{LONGEST, LONGEST_FOR_AN_OWNER};

/// Returns the longest slice of a waiter for `owner`.
pub(crate) fn longest_for(owner: Option<Tag>, peers: &impl Liveness) -> Duration {
    match owner {
        Some(owner) if peers.is_watched(owner) => LONGEST,
        _ => LONGEST_FOR_AN_OWNER,
    }
}
