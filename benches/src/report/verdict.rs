//! What the figures say: where crossdock is faster, where it is slower, and which goals hold.

use serde::Serialize;

use crate::contest::{Figure, Setting};
use crate::peers::locks::{AfterKill, OUR_SEMAPHORE, OURS, ROBUST, Sort, entrant};

/// crossdock's mutex against another lock in one setting.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Duel {
    pub(crate) setting: String,
    pub(crate) against: &'static str,
    pub(crate) label: &'static str,
    pub(crate) sort: Sort,
    pub(crate) after_kill: AfterKill,
    /// Our nanoseconds over theirs: below 1 ours is faster.
    pub(crate) ratio: f64,
    /// No run of the faster one was as slow as any of the slower one.
    pub(crate) clear: bool,
}

impl Duel {
    pub(crate) fn lost(&self) -> bool {
        self.ratio > 1.0
    }
}

pub(super) fn duels(settings: &[Setting]) -> Vec<Duel> {
    let mut duels = Vec::new();
    for setting in settings {
        let Some(mutex) = setting.ours() else {
            continue;
        };
        for theirs in &setting.figures {
            let ours = [OURS, OUR_SEMAPHORE].contains(&theirs.kind);
            let other = !ours && theirs.sort != Sort::Number;
            if let Some(entrant) = entrant(theirs.kind).filter(|_| other) {
                duels.push(Duel {
                    setting: setting.title.clone(),
                    against: entrant.name,
                    label: entrant.label,
                    sort: entrant.sort,
                    after_kill: entrant.after_kill,
                    ratio: mutex.ns_per_op / theirs.ns_per_op,
                    clear: apart(mutex, theirs),
                });
            }
        }
    }
    duels
}

fn apart(one: &Figure, other: &Figure) -> bool {
    one.ns_max < other.ns_min || other.ns_max < one.ns_min
}

/// Something that is aimed at, and what was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) setting: String,
    /// Else `goal` is the least that is aimed at.
    pub(crate) at_most: bool,
    pub(crate) goal: f64,
    pub(crate) found: f64,
    /// The least and the most of any round, of what was found in each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) found_range: Option<(f64, f64)>,
}

impl Goal {
    pub(crate) fn holds(&self) -> bool {
        if self.at_most {
            self.found <= self.goal
        } else {
            self.found >= self.goal
        }
    }
}

/// Setting, processes, whose time, over whose, at most.
const RATIOS: &[(&str, u32, &str, &str, f64)] = &[
    ("tight", 2, OURS, ROBUST, 0.4),
    ("tight", 8, OURS, ROBUST, 0.4),
    ("work", 2, OURS, ROBUST, 0.85),
    ("work", 8, OURS, ROBUST, 0.85),
    ("outside", 2, OURS, ROBUST, 1.05),
    ("same-core", 2, OURS, ROBUST, 1.05),
    ("tight", 2, "sharded", "counter", 0.35),
    ("tight", 1, OUR_SEMAPHORE, "semaphore", 0.85),
    ("tight", 2, OUR_SEMAPHORE, "semaphore", 0.85),
    ("tight", 8, OUR_SEMAPHORE, "semaphore", 0.85),
];
/// The least share of the worst process over that of the best, wherever there are several.
const FAIRNESS: f64 = 0.2;

/// The goals whose settings were measured.
pub(super) fn goals(settings: &[Setting]) -> Vec<Goal> {
    let mut goals = Vec::new();
    for (name, processes, kind, over, most) in RATIOS {
        let setting = settings
            .iter()
            .find(|setting| setting.name == *name && setting.processes == *processes);
        let figures = setting.and_then(|s| Some((s, s.figure(kind)?, s.figure(over)?)));
        if let Some((setting, ours, theirs)) = figures {
            goals.push(Goal {
                what: format!("time of `{kind}` over `{over}`"),
                setting: setting.title.clone(),
                at_most: true,
                goal: *most,
                found: ours.ns_per_op / theirs.ns_per_op,
                found_range: None,
            });
        }
    }
    for setting in settings.iter().filter(|setting| setting.processes > 1) {
        if let Some(ours) = setting.ours() {
            goals.push(Goal {
                what: format!("fairness of `{OURS}`"),
                setting: setting.title.clone(),
                at_most: false,
                goal: FAIRNESS,
                found: ours.fairness,
                found_range: None,
            });
        }
    }
    goals
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn figure(kind: &'static str, ns: f64) -> Figure {
        Figure {
            kind,
            sort: entrant(kind).expect("an entrant").sort,
            ns_per_op: ns,
            ns_min: ns * 0.9,
            ns_max: ns * 1.1,
            mops: 1e3 / ns,
            fairness: 0.5,
            lost: 0,
            to_robust: None,
            to_best: None,
        }
    }

    pub(crate) fn setting() -> Setting {
        Setting {
            name: "tight",
            title: "2 processes: tight loop".into(),
            pin: crossdock_cli::pin::Pin::Cores,
            inside_ns: 0,
            outside_ns: 0,
            processes: 2,
            figures: vec![
                figure(OURS, 30.0),
                figure(ROBUST, 60.0),
                figure("futex", 20.0),
                figure("pthread", 29.0),
                figure("counter", 5.0),
            ],
        }
    }

    #[test]
    fn what_is_faster_than_ours_is_listed_as_lost() {
        let duels = duels(&[setting()]);
        let lost: Vec<_> = duels.iter().filter(|duel| duel.lost()).collect();
        assert_eq!(duels.len(), 3, "{duels:?}");
        assert_eq!(lost.len(), 2, "{lost:?}");
        assert_eq!(lost[0].against, "futex");
        assert!((lost[0].ratio - 1.5).abs() < 1e-9 && lost[0].clear);
        assert!(lost[1].against == "pthread" && !lost[1].clear);
    }

    #[test]
    fn a_goal_is_held_against_what_was_found() {
        let goals = goals(&[setting()]);
        let ratio = &goals[0];
        assert!(
            (ratio.found - 0.5).abs() < 1e-9 && !ratio.holds(),
            "{ratio:?}"
        );
        let fairness = goals.last().expect("one for the setting");
        assert!(!fairness.at_most && fairness.holds());
    }
}
