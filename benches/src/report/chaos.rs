//! What became of queues whose users were killed.

use serde::Serialize;

use super::occasion::Occasion;
use super::table::table;
use crate::chaos::{PATIENCE, Role, Toll, label};
use crate::report::kept::Part;
use crate::study::{Call, Sections};

/// Everything that a run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    occasion: Occasion,
    /// How many senders, and how many receivers, of each queue were killed.
    kills: u32,
    /// A process that made no progress for so long counts as stuck.
    stuck_after_ms: u128,
    tolls: Vec<Toll>,
}

impl Report {
    pub(crate) fn new(call: Call, tolls: Vec<Toll>) -> Self {
        Self {
            occasion: Occasion::now(call.command),
            kills: call.effort.kills,
            stuck_after_ms: PATIENCE.as_millis(),
            tolls,
        }
    }

    fn tolls(&self, killed: Role) -> String {
        let row = |toll: &Toll| {
            let mut row = vec![
                label(toll.kind).to_owned(),
                toll.kills.to_string(),
                toll.stuck.to_string(),
                toll.cut.to_string(),
                toll.lost.to_string(),
                toll.doubled.to_string(),
            ];
            if killed == Role::Receiver {
                row.push(toll.taken.to_string());
            }
            row
        };
        let mut header = vec!["", "kills", "stuck", "cut off", "lost", "doubled"];
        if killed == Role::Receiver {
            header.push("taken");
        }
        let tolls = self.tolls.iter().filter(|toll| toll.killed == killed);
        table(&header, tolls.map(row))
    }
}

impl Sections for Report {
    const PART: Part = Part::Chaos;

    fn sections(&self) -> String {
        let text =
            include_str!("text/chaos.md").replace("{stuck}", &self.stuck_after_ms.to_string());
        format!(
            "## Queues whose users are killed\n\n{}\n- **Effort**: {} senders and {} receivers of \
             each queue killed\n\n{}\n\n### Senders killed\n\n{}\n\n### Receivers killed\n\n{}",
            self.occasion,
            self.kills,
            self.kills,
            text.trim_end(),
            self.tolls(Role::Sender),
            self.tolls(Role::Receiver),
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::study::Effort;

    pub(crate) fn report() -> Report {
        let mut toll = Toll::of("vyukov", Role::Receiver);
        toll.kills = 30;
        toll.stuck = 7;
        toll.taken = 3;
        let effort = Effort {
            kills: 30,
            ..Effort::default()
        };
        let command = "cargo xtask compare chaos".into();
        Report::new(Call { command, effort }, vec![toll])
    }

    #[test]
    fn a_toll_is_in_the_table_of_its_role() {
        let text = report().sections();
        let (_, receivers) = text.split_once("### Receivers killed").expect("a table");
        let row = receivers.lines().find(|line| line.contains("naive ring"));
        let cells: Vec<&str> = row.expect("a row").split('|').map(str::trim).collect();
        assert_eq!(cells[2..8], ["30", "7", "0", "0", "0", "3"]);
        assert_eq!(text.matches("naive ring for many").count(), 1);
        assert!(text.contains(&format!("within {} ms", PATIENCE.as_millis())));
    }
}
