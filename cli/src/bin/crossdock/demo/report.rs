//! The output for users and programs.

use serde::Serialize;

use super::driver::Labels;
use super::ledger::Outcome;
use crate::print_ignoring_closed_pipes as print;

pub(crate) struct Report {
    json: bool,
    quiet: bool,
}

impl Report {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Prints a line about an event.
    pub(crate) fn line(&self, line: &str) {
        if !self.json && !self.quiet {
            print(&format!("{line}\n"));
        }
    }

    pub(crate) fn finish(&self, labels: &Labels, outcome: &Outcome) {
        self.end(&summary(labels, outcome), outcome);
    }

    /// Prints the last line, or the object that replaces all lines.
    pub(crate) fn end(&self, line: &str, document: &impl Serialize) {
        if !self.json {
            return print(&format!("{line}\n"));
        }
        // Plain numbers and strings: they always serialise.
        if let Ok(text) = serde_json::to_string(document) {
            print(&format!("{text}\n"));
        }
    }
}

/// The last line.
fn summary(labels: &Labels, outcome: &Outcome) -> String {
    let Labels {
        worker,
        message,
        done,
        ..
    } = labels;
    let mut text = format!(
        "{}, {} {done}",
        counted(outcome.messages, message),
        outcome.done
    );
    if outcome.is_exact() {
        text.push_str(", each exactly once");
    } else {
        text = format!(
            "{text}, {} missing, {} {done} again",
            outcome.missing, outcome.doubled
        );
    }
    if outcome.killed > 0 {
        text = format!(
            "{text}; {} killed, {} delivered again",
            counted(outcome.killed.into(), worker),
            counted(outcome.redelivered.into(), message)
        );
    }
    text
}

fn counted(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::ledger::Ledger;

    const LABELS: Labels = Labels {
        demo: "bakery",
        sender: "cashier",
        worker: "baker",
        message: "order",
        done: "baked",
    };

    #[test]
    fn the_last_line_says_how_often() {
        let mut ledger = Ledger::new(&["a".to_owned(), "b".to_owned()]);
        ledger.note("a", 2);
        let missing = Outcome {
            killed: 1,
            acknowledged: 1,
            idle: true,
            ..ledger.outcome()
        };
        assert_eq!(
            summary(&LABELS, &missing),
            "2 orders, 1 baked, 1 missing, 0 baked again; 1 baker killed, 1 order delivered again"
        );
        ledger.note("b", 1);
        let exact = Outcome {
            killed: 1,
            acknowledged: 2,
            idle: true,
            ..ledger.outcome()
        };
        assert_eq!(
            summary(&LABELS, &exact),
            "2 orders, 2 baked, each exactly once; 1 baker killed, 1 order delivered again"
        );
    }
}
