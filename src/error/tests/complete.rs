//! The walk over all errors is complete.

use super::walk;

#[test]
fn the_walk_leaves_no_error_out() {
    let walked: Vec<_> = walk().into_iter().map(|(error, _)| error).collect();
    let is_walked = |name: &str| {
        let generic = format!("{name}<");
        let mut all = walked.iter().filter_map(|error| error.rsplit("::").next());
        all.any(|error| error == name || error.starts_with(&generic))
    };
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for line in text.lines().map(str::trim_start) {
                let declared = line.strip_prefix("pub enum ");
                let declared = declared.or_else(|| line.strip_prefix("pub struct "));
                let name = declared.and_then(|rest| rest.split(['<', ' ', '(', '{']).next());
                let is_error = |name: &&str| name.ends_with("Error");
                if let Some(name) = name.filter(is_error).filter(|name| *name != "Error") {
                    let is_of_process =
                        |part: &std::ffi::OsStr| part == "process" || part == "object";
                    let skipped = cfg!(not(feature = "process")) && path.iter().any(is_of_process);
                    assert!(skipped || is_walked(name), "{name} of {}", path.display());
                    found += 1;
                }
            }
        }
    }
    assert!(found >= 35, "{found} errors");
}
