//! Named segments: whole or not at all, and nothing left in /dev/shm.

use std::fs;
use std::io;
use std::mem::forget;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crossdock::segment::{CreateError, OpenError};
use crossdock::{Counter, Segment, SegmentOptions};

use crate::crash::operation::{Base, Operation, Owned, Scene};
use crate::crash::sweep::Listed;
use crate::process::Rig;

/// The operations on names.
pub(crate) const LISTED: &[Listed] = listed! {
    |verb, seeded| Naming { verb, seeded };
    "SegmentOptions::create_new" CreateNew "a file that has its name before it has its header"
    "Segment::unlink" Unlink "a file that is renamed before it is removed"
};

const DIRECTORY: &str = "/dev/shm";

/// What the file names of this run's segments begin with.
fn prefix() -> String {
    format!("crossdock.crash-{}-", std::process::id())
}

/// The files that are in /dev/shm under this run's names.
pub(crate) fn left_behind() -> io::Result<Vec<PathBuf>> {
    let prefix = prefix();
    let mut found = Vec::new();
    for entry in fs::read_dir(DIRECTORY)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Removes them.
pub(crate) fn sweep_away() -> io::Result<()> {
    left_behind()?.iter().try_for_each(fs::remove_file)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    CreateNew,
    Unlink,
}

struct Naming {
    verb: Verb,
    seeded: bool,
}

struct World {
    base: Base,
    name: String,
    path: PathBuf,
    /// The segment that is to be unlinked.
    named: Option<Segment>,
}

#[derive(Default)]
struct Seen {
    /// Whether others have created the segment while the victim was stopped.
    created: bool,
}

/// What the victim exits with when another process was first.
const EXISTS: u8 = 1;
const FAILED: u8 = 2;

fn options() -> SegmentOptions {
    SegmentOptions::new().size(8192).participants(2).entries(1)
}

impl World {
    /// Whether the segment is there; if it is, it must be whole.
    fn look(&self, scene: &mut Scene) -> bool {
        let segment = match options().open(&self.name) {
            Ok(segment) => segment,
            Err(OpenError::NotFound { .. }) => return false,
            Err(error) => {
                scene.lost(format!("a name without a whole segment: {error}"));
                return true;
            }
        };
        let entry = segment.open_or_create::<Counter>("x", 0);
        match entry.map(|entry| entry.add(1)) {
            Ok(_) if segment.len() == 8192 => {}
            Ok(_) => scene.lost(format!("a segment of {} bytes", segment.len())),
            Err(error) => scene.lost(format!("a segment without room for an entry: {error}")),
        }
        true
    }

    fn unlink(&self, scene: &mut Scene) -> Rig {
        if let Ok(segment) = options().open(&self.name) {
            segment.unlink()?;
        }
        for path in left_behind()? {
            scene.stuck(format!("{} is left behind", path.display()));
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// What a careless program does: the name first, the contents then.
    fn create_in_place(&self) -> io::Result<u8> {
        use std::io::Write;
        let template = options().anonymous().map_err(io::Error::other)?;
        let source = {
            use std::os::fd::AsFd;
            fs::File::from(template.as_fd().try_clone_to_owned()?)
        };
        let mut bytes = vec![0; 8192];
        std::os::unix::fs::FileExt::read_exact_at(&source, &mut bytes, 0)?;
        let mut file = match fs::File::create_new(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(EXISTS),
            file => file?,
        };
        file.write_all(&bytes)?;
        Ok(0)
    }
}

impl Operation for Naming {
    type World = World;
    type Seen = Seen;

    fn world(&self) -> Rig<World> {
        sweep_away()?;
        let name = format!("crash-{}-x", std::process::id());
        let path = PathBuf::from(DIRECTORY).join(format!("crossdock.{name}"));
        let named = match self.verb {
            Verb::CreateNew => None,
            Verb::Unlink => Some(options().create_new(&name)?),
        };
        Ok(World {
            base: Base::new(4)?,
            name,
            path,
            named,
        })
    }

    fn base<'a>(&self, world: &'a World) -> &'a Base {
        &world.base
    }

    fn image(&self, world: &World, image: &mut Vec<u8>) -> Rig {
        world.base.image(image)?;
        for path in left_behind()? {
            image.extend(path.to_string_lossy().bytes());
            image.extend(fs::metadata(&path)?.len().to_le_bytes());
            image.extend(fs::metadata(&path)?.ino().to_le_bytes());
        }
        Ok(())
    }

    fn victim(&self, world: Owned<World>, begin: &mut dyn FnMut()) -> u8 {
        world.base.join();
        match (self.verb, self.seeded) {
            (Verb::CreateNew, false) => {
                forget(options().anonymous());
                begin();
                match options().create_new(&world.name) {
                    Ok(segment) => forget(segment),
                    Err(CreateError::Exists { .. }) => return EXISTS,
                    Err(_) => return FAILED,
                }
                0
            }
            (Verb::CreateNew, true) => {
                begin();
                world.create_in_place().unwrap_or(FAILED)
            }
            (Verb::Unlink, false) => {
                let Some(named) = &world.named else {
                    return FAILED;
                };
                begin();
                u8::from(named.unlink().is_err())
            }
            (Verb::Unlink, true) => {
                begin();
                let away = PathBuf::from(format!("{}-gone", world.path.display()));
                let gone = fs::rename(&world.path, &away).and_then(|()| fs::remove_file(away));
                u8::from(gone.is_err())
            }
        }
    }

    fn meanwhile(&self, world: &World, _: &mut Seen, scene: &mut Scene) -> Rig {
        world.look(scene);
        Ok(())
    }

    fn again(&self, world: &World, seen: &mut Seen, scene: &mut Scene) -> Rig {
        if self.verb == Verb::CreateNew && !world.look(scene) {
            forget(options().create_new(&world.name)?);
            seen.created = true;
        }
        Ok(())
    }

    fn after_kill(&self, world: &World, _: Seen, scene: &mut Scene) -> Rig {
        let there = world.look(scene);
        scene.outcome(if there { "there" } else { "not there" });
        world.unlink(scene)
    }

    fn after_end(&self, world: &World, seen: Seen, code: u8, scene: &mut Scene) -> Rig {
        let there = world.look(scene);
        let (expected, expected_there) = match self.verb {
            Verb::CreateNew => (u8::from(seen.created), true),
            Verb::Unlink => (0, false),
        };
        if code != expected {
            scene.lost(format!("the victim ended with {code}, not {expected}"));
        }
        if there != expected_there {
            scene.lost(format!("whether the name is there: {there}"));
        }
        scene.outcome("went on");
        world.unlink(scene)
    }
}
