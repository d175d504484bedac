//! Participants as people look for them: with the state and the name of their process.

use std::collections::BTreeMap;

use crossdock::segment::{ParticipantId, ParticipantInfo};

use crate::operate::processes::{Process, elsewhere, own_namespaces};

/// The participants of a segment, by the names that its words have for them.
pub(super) struct People {
    all: BTreeMap<ParticipantId, String>,
}

impl People {
    pub(super) fn of(participants: &[ParticipantInfo]) -> Self {
        let all = participants.iter().map(|one| (one.id(), described(one)));
        Self { all: all.collect() }
    }

    /// A participant with its process; without one if the registry does not list it.
    pub(super) fn name(&self, id: ParticipantId) -> String {
        match self.all.get(&id) {
            Some(process) => format!("{id} ({process})"),
            None => format!("{id} (gone)"),
        }
    }
}

/// The process of a participant: "pid 3121 baker, alive".
pub(super) fn described(participant: &ParticipantInfo) -> String {
    let pid = participant.pid;
    let place = elsewhere(participant, own_namespaces());
    if !participant.alive {
        return format!("pid {pid}{place}, dead");
    }
    match process(participant) {
        Some((name, state)) => format!("pid {pid} {name}, {state}"),
        None => format!("pid {pid}{place}, alive"),
    }
}

/// The name and the state of its process, if its number means that process here.
fn process(participant: &ParticipantInfo) -> Option<(String, &'static str)> {
    let process = Process::of_participant(participant, own_namespaces())?;
    let state = match process.state {
        _ if process.is_stopped() => "STOPPED",
        _ if process.is_zombie() => "a zombie",
        'D' => "in the kernel",
        _ => "alive",
    };
    Some((process.name, state))
}
