//! What a document keeps when one command writes into it: what people wrote, and the parts of the
//! other commands.

use std::path::Path;
use std::{fs, io};

/// Between these two lines a document is people's.
pub(super) const BEGIN: &str = "<!-- hand-written: begin -->";
pub(super) const END: &str = "<!-- hand-written: end -->";

/// What a document has there that nothing was written into yet.
const EMPTY: &str = "\n\n## What was tried for the mutex\n\nNothing is written here yet.\n\n";

/// A part that one command writes, and the others leave as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Queues,
    Work,
    Arrays,
    Chaos,
    Pools,
    Objects,
}

const PARTS: [Part; 6] = [
    Part::Queues,
    Part::Work,
    Part::Arrays,
    Part::Chaos,
    Part::Pools,
    Part::Objects,
];

impl Part {
    fn marks(self) -> (&'static str, &'static str) {
        match self {
            Self::Queues => ("<!-- queues: begin -->", "<!-- queues: end -->"),
            Self::Work => ("<!-- work: begin -->", "<!-- work: end -->"),
            Self::Arrays => ("<!-- arrays: begin -->", "<!-- arrays: end -->"),
            Self::Chaos => ("<!-- chaos: begin -->", "<!-- chaos: end -->"),
            Self::Pools => ("<!-- pools: begin -->", "<!-- pools: end -->"),
            Self::Objects => ("<!-- objects: begin -->", "<!-- objects: end -->"),
        }
    }

    /// `text`, between the marks.
    fn marked(self, text: &str) -> String {
        let (begin, end) = self.marks();
        format!("{begin}{text}{end}")
    }
}

/// What stands in a document besides what `locks` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// What stands between the marks, without them.
    hand_written: String,
    /// The same of each part that is there.
    parts: Vec<(Part, String)>,
}

impl Kept {
    /// The end of a document: the parts, then what is hand-written.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (part, kept) in &self.parts {
            text += &part.marked(kept);
            text += "\n\n";
        }
        text + BEGIN + &self.hand_written + END + "\n"
    }
}

/// What is to be kept of the document at `path`.
pub(crate) fn of(path: &Path) -> Result<Kept, String> {
    let said = |why: String| format!("{}: {why}", path.display());
    let Some(text) = read(path)? else {
        return Ok(Kept {
            hand_written: EMPTY.into(),
            parts: Vec::new(),
        });
    };
    kept(&text).map_err(said)
}

fn kept(text: &str) -> Result<Kept, String> {
    let hand_written = between(text, (BEGIN, END))?;
    let mut parts = Vec::new();
    for part in PARTS {
        if is_marked(text, part) {
            parts.push((part, between(text, part.marks())?));
        }
    }
    Ok(Kept {
        hand_written,
        parts,
    })
}

fn is_marked(text: &str, part: Part) -> bool {
    let (begin, end) = part.marks();
    text.contains(begin) || text.contains(end)
}

/// The document at `path` with `text` as that part of it.
pub(crate) fn with(path: &Path, part: Part, text: &str) -> Result<String, String> {
    let said = |why: String| format!("{}: {why}", path.display());
    let document = match read(path)? {
        Some(document) => document,
        None => format!("# Benchmarks\n\n{BEGIN}{EMPTY}{END}\n"),
    };
    // All of it must be clear, also what is not replaced.
    kept(&document).map_err(said)?;
    let fresh = part.marked(text);
    if !is_marked(&document, part) {
        return Ok(document.replace(BEGIN, &format!("{fresh}\n\n{BEGIN}")));
    }
    let old = between(&document, part.marks()).map_err(said)?;
    Ok(document.replace(&part.marked(&old), &fresh))
}

fn read(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn between(text: &str, (begin, end): (&str, &str)) -> Result<String, String> {
    let once = |mark: &str| match text.matches(mark).count() {
        1 => Ok(()),
        found => Err(format!(
            "expected `{mark}` once, found {found}: what is to be kept cannot be told, so nothing \
             is overwritten"
        )),
    };
    once(begin)?;
    once(end)?;
    let (_, rest) = text.split_once(begin).unwrap_or_default();
    let kept = rest.split_once(end).map(|(kept, _)| kept.to_owned());
    kept.ok_or_else(|| format!("expected `{end}` behind `{begin}`, found it before"))
}

/// Puts `text` in the place of the file at `path`: at every moment there is the old or the new one.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), String> {
    let said = |error: io::Error| format!("{}: {error}", path.display());
    let fresh = path.with_extension("md.new");
    fs::write(&fresh, text).map_err(said)?;
    fs::rename(&fresh, path).map_err(|error| {
        // It is of no use any more.
        let _ = fs::remove_file(&fresh);
        said(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hand_written_is_found() {
        let text = format!("a\n{BEGIN}\nmine\n{END}\nb\n");
        let kept = kept(&text).expect("clear");
        assert_eq!(kept.hand_written, "\nmine\n");
        assert_eq!(kept.parts, []);
    }

    #[test]
    fn what_other_commands_wrote_is_found() {
        let chaos = Part::Chaos.marked("\nkilled\n");
        let text = format!("a\n{chaos}\nb\n{BEGIN}\nmine\n{END}\n");
        let kept = kept(&text).expect("clear");
        assert_eq!(kept.parts, [(Part::Chaos, "\nkilled\n".into())]);
        assert_eq!(kept.text(), format!("{chaos}\n\n{BEGIN}\nmine\n{END}\n"));
    }

    #[test]
    fn a_document_whose_marks_are_unclear_is_refused() {
        let (queues, _) = Part::Queues.marks();
        for text in [
            String::new(),
            "all of it is mine".into(),
            format!("{BEGIN} mine"),
            format!("{END} mine {BEGIN}"),
            format!("{BEGIN} a {END} b {BEGIN} c {END}"),
            format!("{queues} {BEGIN} mine {END}"),
        ] {
            assert!(kept(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_missing_document_has_an_empty_section() {
        let kept = of(Path::new("/nowhere/at/all.md")).expect("nothing is unclear");
        assert_eq!(kept.hand_written, EMPTY);
        let text = with(Path::new("/nowhere/at/all.md"), Part::Chaos, "new").expect("clear");
        assert!(text.contains(&Part::Chaos.marked("new")), "{text}");
    }

    #[test]
    fn a_part_is_replaced_and_nothing_else() {
        let path = std::env::temp_dir().join(format!("crossdock-kept-{}.md", std::process::id()));
        let queues = Part::Queues.marked("old");
        let text = format!("# B\n\n{queues}\n\n{BEGIN}mine{END}\n");
        fs::write(&path, &text).expect("written");
        let replaced = with(&path, Part::Queues, "new").expect("clear");
        assert_eq!(replaced, text.replace("old", "new"));
        fs::write(&path, &replaced).expect("written");
        let added = with(&path, Part::Chaos, "killed").expect("clear");
        fs::remove_file(&path).expect("removed");
        let chaos = Part::Chaos.marked("killed");
        assert_eq!(
            added,
            replaced.replace(BEGIN, &format!("{chaos}\n\n{BEGIN}"))
        );
    }
}
