//! `crossdock clean`: removes segments that no process has open.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use crossdock::SegmentOptions;
use crossdock::segment::OpenError;
use serde_json::json;

use super::find::{self, Found, Kind};
use super::{Outcome, failed, print_json, text};

/// Removes a segment that no process has open, or all such segments.
///
/// The kernel says whether a process has it open; a segment in use is left
/// alone, however old it is. So are those of another layout version.
#[derive(Clone, Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// The name of the segment.
    #[arg(required_unless_present = "dead", conflicts_with = "dead")]
    name: Option<String>,
    /// Remove all segments of this user that no process has open; as root,
    /// those of all users.
    #[arg(verbatim_doc_comment, long)]
    dead: bool,
    /// Of those, only the ones that were created so long ago: 90s, 15m, 12h,
    /// 1d.
    #[arg(verbatim_doc_comment, long, requires = "dead", conflicts_with = "name", value_parser = text::parse_age, value_name = "TIME")]
    older: Option<Duration>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

/// Why a segment was left alone.
enum Kept {
    InUse,
    OtherLayout(u32),
    Young,
    OtherOwner,
    Refused(OpenError),
}

impl Kept {
    fn word(&self) -> &'static str {
        match self {
            Self::InUse => "in-use",
            Self::OtherLayout(_) => "other-layout",
            Self::Young => "young",
            Self::OtherOwner => "other-owner",
            Self::Refused(_) => "refused",
        }
    }

    fn sentence(&self, name: &str) -> String {
        match self {
            Self::InUse => format!("segment {name:?} is in use, and is left alone"),
            Self::OtherLayout(version) => format!(
                "segment {name:?} is of layout version {version}: only a crossdock of that version \
                 can tell whether it is in use"
            ),
            Self::Young => format!("segment {name:?} is younger"),
            Self::OtherOwner => format!("segment {name:?} belongs to another user"),
            Self::Refused(error) => failed(error),
        }
    }
}

pub(crate) fn run(options: &Options) -> Outcome {
    let all = match &options.name {
        Some(name) => vec![find::one(name)?],
        None => find::named()?,
    };
    let mut done = Vec::new();
    for found in all {
        let (name, bytes) = (found.name.clone(), found.bytes());
        done.push((name, bytes, clean(&found, options)));
    }
    let removed = || done.iter().filter(|(_, _, kept)| kept.is_none());
    let kept = || {
        done.iter()
            .filter_map(|(name, _, kept)| Some((name, kept.as_ref()?)))
    };
    if options.json {
        let removed: Vec<_> = removed()
            .map(|(name, bytes, _)| json!({ "name": name, "bytes": bytes }))
            .collect();
        let kept: Vec<_> = kept()
            .map(|(name, why)| json!({ "name": name, "why": why.word() }))
            .collect();
        print_json(&json!({ "removed": removed, "kept": kept }));
    } else {
        let mut printed: String = removed()
            .map(|(name, bytes, _)| format!("removed {name} ({})\n", text::size(*bytes)))
            .collect();
        if printed.is_empty() && options.dead {
            printed.push_str("nothing to remove\n");
        }
        crate::print_ignoring_closed_pipes(&printed);
    }
    if options.name.is_some()
        && let Some((name, why)) = kept().next()
    {
        return Err(why.sentence(name));
    }
    for (name, why) in kept() {
        if let Kept::Refused(_) = why {
            crate::say(&why.sentence(name));
        }
    }
    let refused = kept().any(|(_, why)| matches!(why, Kept::Refused(_)));
    Ok(if refused {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Removes it, or says why not.
fn clean(found: &Found, options: &Options) -> Option<Kept> {
    let root = nix::unistd::Uid::effective();
    if found.kind != Kind::Named {
        return Some(Kept::InUse);
    }
    if options.dead && !root.is_root() && found.owner() != root.as_raw() {
        return Some(Kept::OtherOwner);
    }
    if options
        .older
        .is_some_and(|older| found.age().is_none_or(|age| age < older))
    {
        return Some(Kept::Young);
    }
    match &found.look {
        Err(OpenError::LayoutVersion { found, .. }) => return Some(Kept::OtherLayout(*found)),
        // With --dead what was never a segment is another program's.
        Err(OpenError::NotASegment { name }) if options.dead => {
            return Some(Kept::Refused(OpenError::NotASegment { name: name.clone() }));
        }
        _ => {}
    }
    let owner = SegmentOptions::new().owner(found.owner());
    match owner.remove_unused(&found.name) {
        Ok(true) => None,
        Ok(false) => Some(Kept::InUse),
        // Another process has removed it meanwhile.
        Err(OpenError::NotFound { .. }) if options.dead => None,
        Err(error) => Some(Kept::Refused(error)),
    }
}
