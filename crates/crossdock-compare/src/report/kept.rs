//! What people wrote into the document, which no program may lose.

use std::path::Path;
use std::{fs, io};

/// Between these two lines a document is people's.
pub(super) const BEGIN: &str = "<!-- hand-written: begin -->";
pub(super) const END: &str = "<!-- hand-written: end -->";

/// What a document has there that nobody wrote into yet.
const EMPTY: &str = "\n\n## What was tried for the mutex\n\nNothing is written here yet.\n\n";

/// What stands between the marks of the document at `path`, without them.
pub(super) fn of(path: &Path) -> Result<String, String> {
    match fs::read_to_string(path) {
        Ok(text) => between(&text).map_err(|why| format!("{}: {why}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(EMPTY.into()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn between(text: &str) -> Result<String, String> {
    let once = |mark: &str| match text.matches(mark).count() {
        1 => Ok(()),
        found => Err(format!(
            "expected `{mark}` once, found {found}: what is hand-written cannot be told, so nothing \
             is overwritten"
        )),
    };
    once(BEGIN)?;
    once(END)?;
    let (_, rest) = text.split_once(BEGIN).unwrap_or_default();
    let kept = rest.split_once(END).map(|(kept, _)| kept.to_owned());
    kept.ok_or_else(|| format!("expected `{END}` behind `{BEGIN}`, found it before"))
}

/// Puts `text` in the place of the file at `path`: at every moment there is the old or the new one.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), String> {
    let said = |error: io::Error| format!("{}: {error}", path.display());
    let fresh = path.with_extension("md.new");
    fs::write(&fresh, text).map_err(said)?;
    fs::rename(&fresh, path).map_err(|error| {
        // It is of no use to anybody.
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
        assert_eq!(between(&text), Ok("\nmine\n".into()));
    }

    #[test]
    fn a_document_whose_marks_are_unclear_is_refused() {
        for text in [
            String::new(),
            "all of it is mine".into(),
            format!("{BEGIN} mine"),
            format!("{END} mine {BEGIN}"),
            format!("{BEGIN} a {END} b {BEGIN} c {END}"),
        ] {
            assert!(between(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_missing_document_has_an_empty_section() {
        let kept = of(Path::new("/nowhere/at/all.md"));
        assert_eq!(kept, Ok(EMPTY.into()));
    }
}
