//! Replacing a file at once.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `text` to a new file beside `path`, and renames that to `path`: a reader finds the old
/// text or the new one.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), String> {
    let mut beside: OsString = path.into();
    // The collector reads names that end in .prom, and this does not.
    beside.push(format!(".{}.tmp", std::process::id()));
    let beside = Path::new(&beside);
    let replaced = write_new(beside, text).and_then(|()| {
        let renamed = fs::rename(beside, path);
        if renamed.is_err() {
            let _is_ours = fs::remove_file(beside);
        }
        renamed
    });
    replaced.map_err(|error| format!("{}: {error}", path.display()))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    let written = file.write_all(text.as_bytes());
    if written.is_err() {
        let _is_ours = fs::remove_file(path);
    }
    written
}
