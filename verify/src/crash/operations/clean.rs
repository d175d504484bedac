//! Removing unused segments beside processes that create, open and join them: what a living process
//! has keeps its name.

use std::fs;
use std::mem::forget;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crossdock::segment::OpenError;
use crossdock::{Mutex, Segment, SegmentOptions};

use super::named::{left_behind, sweep_away};
use crate::crash::operation::{Base, Fate, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::Rig;

/// The removal of unused segments, and what other processes do meanwhile.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Cleaning { verb, seeded };
    "create_new beside remove_unused" Create "a cleaner that asks for participants alone"
    "SegmentOptions::open beside remove_unused" Open "a cleaner that asks for participants alone"
    "join beside remove_unused" Join "a cleaner that asks for participants alone"
    "SegmentOptions::remove_unused" Clean "a cleaner that asks first and removes then"
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Create,
    Open,
    Join,
    Clean,
}

struct Cleaning {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    name: String,
    /// Whether the third party looks for participants alone.
    careless: bool,
}

#[derive(Default)]
struct Seen {
    /// Whether the third party has removed the name.
    removed: bool,
    /// What the third party has opened, or created, while the victim was stopped.
    kept: Option<Segment>,
}

/// What the victim exits with when there is no such name.
const NOT_THERE: u8 = 1;
const FAILED: u8 = 2;
/// What it exits with when the segment that it has lost its name.
const ROBBED: u8 = 3;

fn options() -> SegmentOptions {
    SegmentOptions::new().size(8192).participants(2).entries(1)
}

/// What a victim returns that has the segment.
fn keeps(segment: Segment) -> u8 {
    let code = if segment.is_linked() { 0 } else { ROBBED };
    forget(segment);
    code
}

impl World {
    /// Removes the name if the segment is unused: whether it did.
    fn clean(&self) -> Rig<bool> {
        if self.careless {
            let Ok(segment) = options().open(&self.name) else {
                return Ok(false);
            };
            let unused = !segment.participants().iter().any(|one| one.alive);
            if unused {
                segment.unlink()?;
            }
            return Ok(unused);
        }
        match options().remove_unused(&self.name) {
            Ok(removed) => Ok(removed),
            Err(OpenError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn exists(&self) -> bool {
        let path = PathBuf::from(format!("/dev/shm/crossdock.{}", self.name));
        fs::symlink_metadata(path).is_ok()
    }

    /// What is left must be removable, and whole until then.
    fn ends(&self, seen: Seen, scene: &mut Scene) -> Rig {
        if let Some(kept) = &seen.kept
            && !kept.is_linked()
        {
            scene.lost("the name of what the third party has open");
        }
        drop(seen);
        match options().open(&self.name).map(drop) {
            Ok(()) | Err(OpenError::NotFound { .. }) => {}
            Err(error) => scene.stuck(format!("after the death of all users: {error}")),
        }
        let exists = self.exists();
        if options().remove_unused(&self.name).unwrap_or(false) != exists {
            scene.stuck("what no process has open is not removed");
        }
        for path in left_behind()? {
            scene.stuck(format!("{} is left behind", path.display()));
            fs::remove_file(path)?;
        }
        Ok(())
    }
}

impl Cleaning {
    /// What a careless cleaner does.
    fn clean_in_two_steps(world: &World) -> Rig {
        if !options().is_in_use(&world.name)? {
            SegmentOptions::remove(&world.name)?;
        }
        Ok(())
    }
}

impl Operation for Cleaning {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        sweep_away()?;
        let name = format!("crash-{}-c", std::process::id());
        if self.verb != Verb::Create {
            // Unused: its creator has it open no longer.
            let segment = options().create_new(&name)?;
            segment.create::<Mutex<()>>("x", ())?;
        }
        Ok(World {
            base: Base::new(4)?,
            name,
            careless: self.seeded && self.verb != Verb::Clean,
        })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn image(&self, world: &World, image: &mut Vec<u8>) -> Rig {
        world.base.image(image)?;
        for path in left_behind()? {
            image.extend(path.to_string_lossy().bytes());
            image.extend(fs::metadata(&path)?.ino().to_le_bytes());
        }
        let in_use = options().is_in_use(&world.name);
        image.push(u8::from(in_use.unwrap_or(false)));
        Ok(())
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        match self.verb {
            Verb::Create => {
                begin();
                match options().create_new(&world.name) {
                    Ok(segment) => keeps(segment),
                    Err(_) => FAILED,
                }
            }
            Verb::Open => {
                begin();
                match options().open(&world.name) {
                    Ok(segment) => keeps(segment),
                    Err(OpenError::NotFound { .. } | OpenError::BeingRemoved { .. }) => NOT_THERE,
                    Err(_) => FAILED,
                }
            }
            Verb::Join => {
                let Ok(segment) = options().open(&world.name) else {
                    return FAILED;
                };
                let Ok(mutex) = segment.open::<Mutex<()>>("x") else {
                    return FAILED;
                };
                begin();
                // The first operation joins.
                let locked = mutex.lock().is_ok();
                forget(mutex);
                if locked { keeps(segment) } else { FAILED }
            }
            Verb::Clean => {
                begin();
                let cleaned = if self.seeded {
                    Self::clean_in_two_steps(&world)
                } else {
                    world.clean().map(drop)
                };
                if cleaned.is_ok() { 0 } else { FAILED }
            }
        }
    }

    fn meanwhile(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        if self.verb != Verb::Clean {
            let removed = world.clean()?;
            seen.removed |= removed;
            if removed && self.verb != Verb::Open {
                scene.lost("the name of what a living process has");
            }
            return Ok(());
        }
        // Opens what is there, or creates another of that name.
        let opened = match options().open(&world.name) {
            Err(OpenError::NotFound { .. }) => Some(options().create_new(&world.name)?),
            Err(OpenError::BeingRemoved { .. }) => None,
            opened => Some(opened?),
        };
        if let Some(segment) = opened {
            if !segment.is_linked() {
                scene.lost("the name of what was opened");
            }
            seen.kept = Some(segment);
        }
        Ok(())
    }

    fn again(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        if self.verb == Verb::Clean {
            return Ok(());
        }
        self.meanwhile(world, seen, scene)
    }

    fn after_kill(&self, world: &World, seen: Seen, scene: &mut Scene) -> Rig {
        scene.outcome(if world.exists() { "there" } else { "not there" });
        world.ends(seen, scene)
    }

    fn after_end(&self, world: &World, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        let expected = u8::from(self.verb == Verb::Open && seen.removed);
        if code != expected && scene.fate != Fate::KilledAlone {
            scene.lost(format!("the victim ended with {code}, not {expected}"));
        }
        if self.verb == Verb::Clean && seen.kept.is_none() && world.exists() {
            scene.stuck("a name that the cleaner has not removed");
        }
        scene.outcome("went on");
        world.ends(seen, scene)
    }
}
