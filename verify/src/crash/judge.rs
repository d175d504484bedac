//! What must hold after every operation: the registry and the directory are whole.

use crossdock::Segment;
use crossdock::segment::ParticipantInfo;
use nix::unistd::Pid;

use crate::crash::operation::{Base, Scene};
use crate::process::{End, Rig, forked, has_state};

/// While the victim is stopped: it is alive to all others, and hinders none that is lock-free.
pub(crate) fn while_stopped(base: &Base, scene: &mut Scene, reaps: bool) -> Rig {
    let seen = |base: &Base, scene: &Scene| {
        let participants = base.segment.participants();
        let pid = u32::try_from(scene.victim.as_raw()).unwrap_or(0);
        participants.into_iter().find(|one| one.pid == pid)
    };
    let before = seen(base, scene);
    if before.is_some_and(|victim| !victim.alive) {
        scene.duplicated("the stopped victim is taken for dead");
    }
    if reaps {
        // A waiter beside the victim may end while this looks.
        let listed = base.segment.participants();
        let reaping = base.segment.reap();
        let after = base.segment.participants();
        let stays = |one: &ParticipantInfo| {
            let same = |other: &ParticipantInfo| {
                (other.index, other.generation) == (one.index, one.generation)
            };
            after.iter().any(same)
        };
        let was_dead = |one: &&ParticipantInfo| !stays(one) && (!one.alive || ended(one.pid));
        let dead = listed.iter().filter(was_dead).count();
        if reaping.freed as usize > dead {
            scene.duplicated(format!("{} places freed, {dead} were dead", reaping.freed));
        }
        if reaping.stuck > 0 {
            scene.stuck(format!(
                "{} places cannot be freed beside a stopped victim",
                reaping.stuck
            ));
        }
        if seen(base, scene) != before {
            scene.duplicated("the stopped victim's place was changed by others");
        }
    }
    let count = base.bystander.load();
    if base.bystander.add(1) != count + 1 {
        scene.lost("a counter was changed by a victim that does not use it");
    }
    if base
        .segment
        .open::<crossdock::Counter>("bystander")
        .is_err()
    {
        scene.stuck("an entry cannot be opened beside a stopped victim");
    }
    directory(&base.segment, scene);
    Ok(())
}

/// Whether a process has ended, though its parent may not have waited for it.
fn ended(pid: u32) -> bool {
    i32::try_from(pid).is_ok_and(|pid| has_state(Pid::from_raw(pid), &['Z', 'X']))
}

/// After the victim's death: nothing is left of it.
pub(crate) fn after_death(base: &Base, scene: &mut Scene, reaps: bool, left: bool) -> Rig {
    let pid = u32::try_from(scene.victim.as_raw()).unwrap_or(0);
    let of_victim = |base: &Base| {
        let participants = base.segment.participants();
        participants.into_iter().find(|one| one.pid == pid)
    };
    if let Some(victim) = of_victim(base) {
        if victim.alive {
            scene.stuck("the dead victim is taken for alive");
        }
        if left {
            scene.stuck("the victim has left and is still listed");
        }
    }
    if reaps {
        let reaping = base.segment.reap();
        if reaping.stuck > 0 {
            scene.stuck(format!("{} places cannot be freed", reaping.stuck));
        }
    }
    let (listed, alive) = counts(&base.segment);
    if listed != alive {
        scene.stuck(format!("{} dead places are not freed", listed - alive));
    }
    directory(&base.segment, scene);
    newcomer(base, scene)
}

fn counts(segment: &Segment) -> (usize, usize) {
    let participants = segment.participants();
    let alive = participants.iter().filter(|one| one.alive).count();
    (participants.len(), alive)
}

/// A new process can join, and leave no trace.
pub(crate) fn newcomer(base: &Base, scene: &mut Scene) -> Rig {
    let (listed, _) = counts(&base.segment);
    let mut child = forked(|| {
        base.join();
        if !base.is_member() {
            return 1;
        }
        0
    })?;
    match child.end_within(scene.patience)? {
        Some(End::Exited(0)) => {}
        Some(End::Exited(1)) => scene.stuck("a new process cannot join"),
        Some(other) => scene.stuck(format!("a new process fails to join: {other:?}")),
        None => scene.stuck("a new process waits forever to join"),
    }
    base.segment.reap();
    if counts(&base.segment).0 > listed {
        scene.stuck("the place of a newcomer that ended is not freed");
    }
    Ok(())
}

/// The entries are well-formed: unique names, apart from each other, inside of the segment.
fn directory(segment: &Segment, scene: &mut Scene) {
    let entries = match segment.entries() {
        Ok(entries) => entries,
        Err(error) => return scene.lost(format!("the directory cannot be read: {error}")),
    };
    for (at, one) in entries.iter().enumerate() {
        let end = one.offset + one.len;
        if end > segment.len() {
            scene.lost(format!("entry {} ends outside of the segment", one.name));
        }
        for other in &entries[at + 1..] {
            if one.name == other.name {
                scene.duplicated(format!("two entries are named {}", one.name));
            }
            if one.offset < other.offset + other.len && other.offset < end {
                scene.duplicated(format!("{} and {} overlap", one.name, other.name));
            }
        }
    }
}
