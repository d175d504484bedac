//! Segments, by their names and in processes, and a look at each.

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossdock::segment::{
    EntryError, EntryInfo, EntryView, Field, FileInfo, Inspection, OpenError, Overview,
    ParticipantId, Seen,
};
use crossdock::{Error, Segment, SegmentOptions};

use super::processes::{self, Nameless};
use super::{failed, text};

/// What a segment without a name is called: this, and its inode.
const MEMFD: &str = "memfd:";

/// A file that is, or has the name of, a segment.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What the system says of the file, if it can be opened.
    pub(crate) file: Option<FileInfo>,
    /// The processes that have a descriptor of a segment without a name.
    pub(crate) pids: Vec<u32>,
    /// Whether any process has it open.
    pub(crate) in_use: bool,
    pub(crate) look: Result<Overview, OpenError>,
    bytes: u64,
    owner: u32,
    /// A path that leads to a segment without a name.
    path: Option<PathBuf>,
    inspection: Option<Inspection>,
}

/// The most entries that are looked at, objects of managers included.
pub(crate) const MOST_ENTRIES: usize = 256;

/// An entry, or an object of a manager, and what was seen of it.
pub(crate) type LookedAt = (EntryInfo, Result<EntryView, String>);

/// The fields of an entry that say which participant holds it, or a part of it.
const HOLDS: [&str; 5] = ["holder", "held by", "leased by", "writer", "writer mutex"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Named,
    /// It never had a name.
    Anonymous,
    /// Its name was removed.
    Removed,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Anonymous => "anonymous",
            Self::Removed => "removed",
        }
    }
}

/// The named segments, sorted by name. Names that vanish meanwhile are left out.
pub(crate) fn named() -> Result<Vec<Found>, String> {
    let listed = SegmentOptions::list().map_err(|error| failed(&error))?;
    let found = listed.into_iter().map(|listed| {
        let inspection = Inspection::open(&listed.name);
        Found::of(listed.name, listed.len, listed.owner, inspection)
    });
    let is_there = |found: &Found| !matches!(found.look, Err(OpenError::NotFound { .. }));
    Ok(found.filter(is_there).collect())
}

/// The segment that `ls` shows by that name.
pub(crate) fn one(name: &str) -> Result<Found, String> {
    let listed = SegmentOptions::list().map_err(|error| failed(&error))?;
    if let Some(listed) = listed.into_iter().find(|listed| listed.name == name) {
        let inspection = Inspection::open(name);
        return Ok(Found::of(listed.name, listed.len, listed.owner, inspection));
    }
    if name.starts_with(MEMFD) {
        let found = nameless()?.into_iter().find(|found| found.name == name);
        return found.ok_or_else(|| format!("no process has a segment {name:?} open"));
    }
    // What is wrong with the name, or with what stands there.
    let error = Inspection::open(name).err();
    let error = error.unwrap_or_else(|| OpenError::NotFound {
        name: name.to_owned(),
    });
    Err(failed(&error))
}

/// The segments without a name that processes have open, sorted.
pub(crate) fn nameless() -> Result<Vec<Found>, String> {
    let files = processes::nameless().map_err(|error| format!("reading /proc: {error}"))?;
    let files = files.into_iter();
    let mut found: Vec<Found> = files
        .filter_map(|(id, file)| Found::without_name(id, file))
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// Opens a segment for looking at it: by the name that `ls` shows, or by a path, which has a slash.
pub(crate) fn opened(segment: &str) -> Result<Inspection, String> {
    if segment.contains('/') {
        return Inspection::open_path(Path::new(segment)).map_err(|error| failed(&error));
    }
    match Inspection::open(segment) {
        Err(OpenError::NotFound { .. }) if segment.starts_with(MEMFD) => {
            let inspection = one(segment)?.inspection;
            inspection.ok_or_else(|| format!("segment {segment:?} is gone"))
        }
        opened => opened.map_err(|error| failed(&error)),
    }
}

/// Looks at entries, each with its objects behind it, `most` in all; returns how many are left out.
pub(crate) fn looked_at(
    inspection: &Inspection,
    look: &Overview,
    most: usize,
) -> (Vec<LookedAt>, usize) {
    let (mut all, mut left) = (Vec::new(), 0);
    let mut see = |info: &EntryInfo| -> Vec<EntryInfo> {
        if all.len() >= most {
            left += 1;
            return Vec::new();
        }
        let view = inspection.open_dyn(&info.name);
        // An object that was removed meanwhile is no entry any more.
        let is_gone = matches!(&view, Err(Error::Entry(EntryError::NotFound { .. })));
        let objects = view
            .as_ref()
            .map_or_else(|_| Vec::new(), |view| view.objects.clone());
        if !is_gone {
            all.push((info.clone(), view.map_err(|error| failed(&error))));
        }
        objects
    };
    for entry in &look.entries {
        for object in see(entry) {
            see(&object);
        }
    }
    (all, left)
}

impl Found {
    fn of(name: String, bytes: u64, owner: u32, inspection: Result<Inspection, OpenError>) -> Self {
        let found = inspection.as_ref();
        let file = found.ok().map(Inspection::file);
        let in_use = |inspection: &Inspection| inspection.is_in_use().unwrap_or(true);
        Self {
            name,
            kind: Kind::Named,
            in_use: found.map_or(true, in_use),
            bytes: file.as_ref().map_or(bytes, |file| file.len),
            owner: file.as_ref().map_or(owner, |file| file.owner),
            file,
            pids: Vec::new(),
            look: match found {
                Ok(inspection) => inspection.overview(),
                Err(error) => Err(error.clone()),
            },
            path: None,
            inspection: inspection.ok(),
        }
    }

    /// A look at a file without a name; `None` if it is no segment, or gone.
    fn without_name(id: (u64, u64), file: Nameless) -> Option<Self> {
        let inspection = Inspection::open_path(&file.path).ok()?;
        let info = inspection.file();
        if (info.device, info.inode) != id {
            return None;
        }
        let name = format!("{MEMFD}{}", info.inode);
        let found = Self::of(name, info.len, info.owner, Ok(inspection));
        let kind = match &found.look {
            Ok(look) if look.is_anonymous => Kind::Anonymous,
            Ok(_) => Kind::Removed,
            Err(OpenError::LayoutVersion { .. }) => Kind::Anonymous,
            Err(_) => return None,
        };
        Some(Self {
            kind,
            path: Some(file.path),
            pids: file.pids.into_iter().collect(),
            ..found
        })
    }

    /// Looks at the first entries and objects, and returns how many are left out.
    pub(crate) fn looked_at(&self) -> (Vec<LookedAt>, usize) {
        match (&self.inspection, &self.look) {
            (Some(inspection), Ok(look)) => looked_at(inspection, look, MOST_ENTRIES),
            _ => (Vec::new(), 0),
        }
    }

    /// Looks at the first entries and objects. Those that are damaged are left out.
    pub(crate) fn entries(&self) -> Vec<EntryView> {
        let (all, _) = self.looked_at();
        all.into_iter().filter_map(|(_, view)| view.ok()).collect()
    }

    /// Opens it to change it. That is a use.
    pub(crate) fn open(&self) -> Result<Segment, String> {
        let opened = match &self.path {
            None => SegmentOptions::new().owner(self.owner).open(&self.name),
            Some(path) => {
                let file = OpenOptions::new().read(true).write(true).open(path);
                let file = file.map_err(|error| format!("{}: {error}", self.name))?;
                Segment::try_from(OwnedFd::from(file))
            }
        };
        opened.map_err(|error| failed(&error))
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn owner(&self) -> u32 {
        self.owner
    }

    /// The name of its owner, or the number of one without a name.
    pub(crate) fn owner_name(&self) -> String {
        let user = nix::unistd::User::from_uid(self.owner.into());
        let user = user.ok().flatten();
        user.map_or_else(|| self.owner.to_string(), |user| user.name)
    }

    /// The age since its creation, if that is known; 0 if the clock was set back since.
    #[expect(clippy::disallowed_types, reason = "files have times of this clock")]
    pub(crate) fn age(&self) -> Option<Duration> {
        let created = Duration::from_secs(self.file.as_ref()?.created);
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().ok()?;
        Some(now.saturating_sub(created))
    }

    /// The part of the segment that is used, in percent.
    pub(crate) fn used_percent(&self) -> Option<u64> {
        let look = self.look.as_ref().ok()?;
        Some(text::percent(look.used, self.bytes))
    }

    /// How many participants are alive, and dead.
    pub(crate) fn participants(&self) -> Option<(usize, usize)> {
        let participants = &self.look.as_ref().ok()?.participants;
        let alive = participants.iter().filter(|one| one.alive).count();
        Some((alive, participants.len() - alive))
    }

    /// Whether it is a segment that no process has open.
    pub(crate) fn is_unused(&self) -> bool {
        self.look.is_ok() && !self.in_use
    }

    /// A word for why it cannot be looked at.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        Some(match self.look.as_ref().err()? {
            OpenError::LayoutVersion { .. } => "other-layout",
            OpenError::Empty { .. } => "empty",
            OpenError::OtherSize { .. } => "other-size",
            OpenError::NotASegment { .. } | OpenError::ByteOrder { .. } => "foreign",
            OpenError::Corrupt { .. } => "corrupt",
            OpenError::Permission { .. } => "no-access",
            _ => "unreadable",
        })
    }
}

/// The names of the entries of which a participant holds something: two of them, and how many more.
pub(crate) fn held_by(id: ParticipantId, entries: &[EntryView]) -> Option<String> {
    let held = entries.iter().filter(|entry| is_held(id, &entry.fields));
    let names: Vec<&str> = held.map(|entry| entry.info.name.as_str()).collect();
    match &names[..] {
        [] => None,
        [first] => Some((*first).to_owned()),
        [first, second] => Some(format!("{first} and {second}")),
        [first, second, rest @ ..] => Some(format!("{first}, {second} and {} more", rest.len())),
    }
}

/// What a participant does, in words, if an entry's table says that it is a worker of something:
/// the fields of that row, and an age in its largest unit.
pub(crate) fn doing(id: ParticipantId, entries: &[EntryView]) -> Option<String> {
    let tables = entries.iter().flat_map(|entry| &entry.fields);
    let rows = tables.filter_map(|field| match &field.value {
        Seen::Rows(rows) => Some(rows),
        _ => None,
    });
    let row = rows.flatten().find(|row| {
        row.iter()
            .any(|field| field.name == "worker" && field.value == Seen::Participant(id))
    })?;
    let words = row.iter().filter_map(|field| match &field.value {
        Seen::Number(ms) if field.name == "age ms" => Some(text::age(Duration::from_millis(*ms))),
        // A zero says nothing here, nor does what a worker does all the time.
        Seen::Number(number) if *number != 0 => Some(format!("{} {number}", field.name)),
        Seen::Text(state) if state != "runs" => Some(state.clone()),
        _ => None,
    });
    Some(words.collect::<Vec<_>>().join(", "))
}

fn is_held(id: ParticipantId, fields: &[Field]) -> bool {
    fields.iter().any(|field| match &field.value {
        Seen::Participant(holder) => *holder == id && HOLDS.contains(&field.name),
        Seen::Rows(rows) => rows.iter().any(|row| is_held(id, row)),
        _ => false,
    })
}
