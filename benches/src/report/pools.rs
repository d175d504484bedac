//! Pools beside each other, and what became of their tasks when a worker was killed.

use serde::Serialize;

use super::occasion::Occasion;
use super::table::{nanos, table};
use crate::pools::{Found, Moment, Outcome, PATIENCE, Toll};
use crate::report::kept::Part;
use crate::study::{Call, Effort, Sections};

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    occasion: Occasion,
    effort: Effort,
    found: Vec<Found>,
}

impl Report {
    pub(crate) fn new(call: Call, found: Vec<Found>) -> Self {
        Self {
            occasion: Occasion::now(call.command),
            effort: call.effort,
            found,
        }
    }

    fn speeds(&self) -> String {
        let rows = self.found.iter().filter_map(|found| {
            let speed = found.speed?;
            let ours = self.found.first()?.speed?;
            Some(vec![
                found.name.to_owned(),
                nanos(speed.single_ns),
                format!("{:.2}", speed.single_ns / ours.single_ns),
                nanos(speed.item_ns),
                format!("{:.2}", speed.item_ns / ours.item_ns),
            ])
        });
        table(&["", "single, ns", "x ours", "item, ns", "x ours"], rows)
    }

    fn tolls(&self, moment: Moment) -> String {
        let of = |found: &Found| {
            let tolls = found.tolls.iter();
            let mut tolls = tolls
                .filter(|(of, _)| *of == moment)
                .map(|(_, tolls)| tolls);
            Some(row(found.name, tolls.next()?, moment))
        };
        let mut header = vec!["", "others failed", "others hang", "goes on"];
        if moment == Moment::InTask {
            header.insert(1, "its task");
        }
        table(&header, self.found.iter().filter_map(of))
    }
}

impl Sections for Report {
    const PART: Part = Part::Pools;

    fn sections(&self) -> String {
        let text =
            include_str!("text/pools.md").replace("{patience}", &PATIENCE.as_secs().to_string());
        let absent = self.found.iter().filter_map(|found| {
            let missing = found.absent.as_ref()?;
            Some(format!(
                "\n\nNot measured: {}, for want of {missing}.",
                found.name
            ))
        });
        format!(
            "## Pools\n\n{}\n- **Effort**: medians of {} runs, {} kills of each\n\n{}\n\n{}{}\n\n\
             ### A worker killed in its task\n\n{}\n\n### A worker killed while idle\n\n{}",
            self.occasion,
            self.effort.runs,
            self.effort.kills,
            text.trim_end(),
            self.speeds(),
            absent.collect::<String>(),
            self.tolls(Moment::InTask),
            self.tolls(Moment::Idle),
        )
    }
}

fn row(name: &str, tolls: &[Toll], moment: Moment) -> Vec<String> {
    let worst = |of: fn(&Toll) -> usize| tolls.iter().map(of).max().unwrap_or(0).to_string();
    let on = tolls.iter().filter(|toll| toll.after == Outcome::Answered);
    let mut row = vec![
        name.to_owned(),
        worst(|toll| toll.failed),
        worst(|toll| toll.hung),
        format!("{} of {}", on.count(), tolls.len()),
    ];
    if moment == Moment::InTask {
        let hung = tolls.iter().filter(|toll| toll.own == Some(Outcome::Hung));
        row.insert(
            1,
            match hung.count() {
                0 => "an error".to_owned(),
                hung if hung == tolls.len() => "**hangs**".to_owned(),
                hung => format!("**hangs**, {hung} of {}", tolls.len()),
            },
        );
    }
    row
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::pools::Speed;

    pub(crate) fn report() -> Report {
        let effort = Effort {
            runs: 1,
            kills: 2,
            python: "python3".into(),
            ..Effort::default()
        };
        let toll = |hung, after| Toll {
            own: Some(Outcome::Hung),
            failed: 0,
            hung,
            after,
        };
        let found = Found {
            name: "theirs",
            speed: Some(Speed {
                single_ns: 9000.0,
                item_ns: 90.0,
            }),
            tolls: vec![(
                Moment::InTask,
                vec![toll(3, Outcome::Hung), toll(0, Outcome::Answered)],
            )],
            absent: None,
        };
        let absent = Found {
            name: "another",
            speed: None,
            tolls: Vec::new(),
            absent: Some("loky".into()),
        };
        let command = "cargo xtask compare pools".into();
        Report::new(Call { command, effort }, vec![found, absent])
    }

    #[test]
    fn the_worst_of_the_kills_is_told_and_what_is_not_here_is_named() {
        let text = report().sections();
        let (_, killed) = text.split_once("### A worker killed in").expect("a table");
        let row = killed.lines().find(|line| line.contains("theirs"));
        let cells: Vec<&str> = row.expect("a row").split('|').map(str::trim).collect();
        assert_eq!(cells[2..6], ["**hangs**", "0", "3", "1 of 2"]);
        assert!(
            text.contains("Not measured: another, for want of loky."),
            "{text}"
        );
    }
}
