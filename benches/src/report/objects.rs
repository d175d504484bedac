//! Shared objects beside other stores, and what their killed writers left.

use serde::Serialize;

use super::occasion::Occasion;
use super::table::{goals, nanos, span, table, times};
use super::verdict::Goal;
use crate::objects::{Found, KEYS, MANAGER, OF_LMDB, OURS, PATIENCE, Stored, Toll, VALUE};
use crate::ratio::Ratio;
use crate::report::kept::Part;
use crate::study::{Call, Effort, Sections};
use crate::work::Figure;

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    occasion: Occasion,
    effort: Effort,
    #[serde(flatten)]
    found: Found,
    goals: Vec<Goal>,
}

impl Report {
    pub(crate) fn new(call: Call, found: Found) -> Self {
        Self {
            occasion: Occasion::now(call.command),
            effort: call.effort,
            goals: all_goals(&found),
            found,
        }
    }
}

impl Sections for Report {
    const PART: Part = Part::Objects;

    fn sections(&self) -> String {
        let text = include_str!("text/objects.md")
            .replace("{keys}", &KEYS.to_string())
            .replace("{value}", &VALUE.to_string())
            .replace("{patience}", &PATIENCE.as_secs().to_string());
        let absent = self.found.maps.iter().filter_map(|stored| {
            let missing = stored.absent.as_ref()?;
            Some(format!(
                "\n\nNot installed: {}, for want of {missing}.",
                stored.name
            ))
        });
        format!(
            "## Objects beside other stores\n\n{}\n- **Effort**: runs of {} s, {} for each figure, {} kills \
             of each\n\n{}\n\n### Maps\n\n{}{}\n\n### Maps whose writers are killed\n\n{}\n\n\
             ### Other calls of objects\n\n{}\n\n### Goals of objects\n\n{}",
            self.occasion,
            self.effort.secs,
            self.effort.runs,
            self.effort.kills,
            text.trim_end(),
            maps(&self.found.maps),
            absent.collect::<String>(),
            killed(&self.found.maps),
            calls(&self.found),
            goals(&self.goals),
        )
    }
}

fn maps(maps: &[Stored]) -> String {
    let rows = maps.iter().map(|stored| {
        let ratio = maps.first().and_then(|ours| stored.get_over(ours));
        let ns = |of: fn(&crate::objects::Speed) -> f64| {
            stored
                .speed
                .as_ref()
                .map_or_else(|| "-".into(), |speed| nanos(of(speed)))
        };
        vec![
            stored.name.to_owned(),
            ns(|speed| speed.insert_ns),
            ns(|speed| speed.replace_ns),
            ns(|speed| speed.get_ns),
            times(ratio.map(|ratio| ratio.ratio)),
            span(ratio.map(|ratio| ratio.ratio_range)),
        ]
    });
    let header = [
        "",
        "insert, ns",
        "replace, ns",
        "get, ns",
        "get, x ours",
        "least..most",
    ];
    table(&header, rows)
}

fn killed(maps: &[Stored]) -> String {
    let rows = maps
        .iter()
        .filter(|stored| !stored.tolls.is_empty())
        .map(|stored| {
            let all = stored.tolls.len();
            let times =
                |of: fn(&Toll) -> bool| match stored.tolls.iter().filter(|toll| of(toll)).count() {
                    0 => format!("0 of {all}"),
                    some => format!("**{some} of {all}**"),
                };
            let sum = |of: fn(&Toll) -> u64| stored.tolls.iter().map(of).sum::<u64>().to_string();
            vec![
                stored.name.to_owned(),
                times(|toll| toll.hung),
                times(|toll| toll.refused),
                sum(|toll| toll.torn),
                sum(|toll| toll.lost),
            ]
        });
    table(&["", "hangs", "refused", "torn", "lost"], rows)
}

fn calls(found: &Found) -> String {
    let all = found
        .calls
        .iter()
        .chain(&found.copies)
        .chain(&found.readers);
    let rows = all.map(|figure| {
        vec![
            figure.label.to_owned(),
            nanos(figure.ns),
            format!("{}..{}", nanos(figure.ns_min), nanos(figure.ns_max)),
        ]
    });
    table(&["", "ns", "least..most"], rows)
}

/// The nanoseconds of our map, at most.
const INSERT: f64 = 500.0;
const GET: f64 = 250.0;
/// A push, encoded, at most.
const PUSH: f64 = 300.0;
/// The time of a get of another map over ours, at least.
const OVERS: [(&str, f64); 2] = [(OF_LMDB, 5.0), (MANAGER, 100.0)];
/// The time of `load_into` over that of memcpy, at most.
const LOAD: f64 = 1.3;
/// The rate of two readers of one dictionary over that of two with one each, at least.
const READERS: f64 = 0.9;

fn all_goals(found: &Found) -> Vec<Goal> {
    let mut all = Vec::new();
    let setting = format!("{KEYS} keys");
    let mut add = |what: String, setting: &str, at_most, goal, found: Option<Ratio>| {
        all.extend(found.map(|found| Goal {
            what,
            setting: setting.to_owned(),
            at_most,
            goal,
            found: found.ratio,
            found_range: Some(found.ratio_range),
        }));
    };
    let exact = |ns: f64| {
        Some(Ratio {
            ratio: ns,
            ratio_range: (ns, ns),
        })
    };
    let ours = found.maps.iter().find(|stored| stored.name == OURS);
    if let Some(speed) = ours.and_then(|ours| ours.speed) {
        add(
            "get of bytes, ns".into(),
            &setting,
            true,
            GET,
            exact(speed.get_ns),
        );
        let insert = exact(speed.insert_ns);
        add(
            "insert with the encoding, ns".into(),
            &setting,
            true,
            INSERT,
            insert,
        );
    }
    for (other, least) in OVERS {
        let theirs = found.maps.iter().find(|stored| stored.name == other);
        let ratio = theirs
            .zip(ours)
            .and_then(|(theirs, ours)| theirs.get_over(ours));
        add(
            format!("time of a get of {other} over ours"),
            &setting,
            false,
            least,
            ratio,
        );
    }
    if let Some(push) = found.calls.iter().find(|figure| figure.kind == "push") {
        let spread = Some(Ratio {
            ratio: push.ns,
            ratio_range: (push.ns_min, push.ns_max),
        });
        add(
            "push with the encoding, ns".into(),
            "a `u64`",
            true,
            PUSH,
            spread,
        );
    }
    for [plain, load] in found.copies.as_chunks::<2>().0 {
        let (what, setting) = load.label.split_once(", ").unwrap_or((load.label, ""));
        let what = format!("time of {what} over memcpy");
        add(what, setting, true, LOAD, load.time_over(plain));
    }
    if let [private, shared] = found.readers.as_slice() {
        let what = "rate of two readers of one dictionary over one each".into();
        add(what, "two processes", false, READERS, rate(shared, private));
    }
    all
}

/// The rate of one as a multiple of that of another.
fn rate(one: &Figure, other: &Figure) -> Option<Ratio> {
    other.time_over(one)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn report() -> Report {
        let effort = Effort {
            secs: 0.1,
            runs: 3,
            kills: 2,
            ..Effort::default()
        };
        let command = "cargo xtask compare objects".into();
        Report::new(Call { command, effort }, crate::objects::tests::found())
    }

    #[test]
    fn a_goal_is_held_against_the_ratio_of_its_rounds() {
        let goals = report().goals;
        let found = |what: &str| {
            let goal = goals.iter().find(|goal| goal.what.contains(what));
            goal.map(|goal| (goal.found, goal.holds()))
        };
        assert_eq!(found("get of bytes"), Some((200.0, true)));
        assert_eq!(found("LMDB"), Some((4.0, false)));
        assert_eq!(found("Manager"), None, "it was not measured");
        assert_eq!(found("push"), Some((1.0, true)));
        assert_eq!(found("two readers"), Some((1.0, true)));
        assert_eq!(goals.len(), 8);
    }

    #[test]
    fn what_hangs_is_told_and_what_is_not_here_is_named() {
        let text = report().sections();
        let (_, killed) = text.split_once("writers are killed").expect("a table");
        let row = killed.lines().find(|line| line.contains(OF_LMDB));
        let cells: Vec<&str> = row.expect("a row").split('|').map(str::trim).collect();
        assert_eq!(cells[2..6], ["**1 of 2**", "0 of 2", "0", "0"]);
        let absent = "Not installed: another, for want of a server.";
        assert!(text.contains(absent), "{text}");
    }
}
