//! The output for users and programs.

use std::fmt::Display;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Choice, Kind, Options, Run};
use crate::print_ignoring_closed_pipes as print;

/// The maximum number of products with a line each; above it, there is a progress bar.
const TALK_MAX: u64 = 1_000;

pub(crate) struct Report {
    options: Options,
}

/// The one object of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    workers: u32,
    products: u64,
    kills: u32,
    runs: &'a [Run],
}

impl Report {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
        }
    }

    /// Whether workers print a line for each product.
    pub(crate) fn talks(&self) -> bool {
        !self.options.json
            && !self.options.quiet
            && self.options.counter != Choice::All
            && self.options.expected() <= TALK_MAX
    }

    /// Begins a run. The bar goes to standard error, and is silent where that is no terminal.
    pub(crate) fn begin(&self, kind: Kind, expected: u64) -> Progress {
        if self.options.json || self.options.quiet || expected <= TALK_MAX {
            return Progress(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(expected);
        if let Ok(style) = ProgressStyle::with_template(
            "{msg:8} [{bar:40}] {human_pos}/{human_len} products, {eta} left",
        ) {
            bar.set_style(style);
        }
        bar.set_message(kind.to_string());
        Progress(bar)
    }

    pub(crate) fn finish(&self, runs: &[Run]) {
        if self.options.json {
            let document = Document {
                workers: self.options.workers,
                products: self.options.products,
                kills: self.options.kill,
                runs,
            };
            // Plain numbers and strings: they always serialise.
            if let Ok(text) = serde_json::to_string(&document) {
                print(&format!("{text}\n"));
            }
            return;
        }
        if !self.options.quiet {
            match runs {
                [run] => self.print_remarks(run),
                runs => {
                    print(&format!("{}\n", table(runs)));
                    for run in runs.iter().filter(|run| run.lost > 0) {
                        print(&format!("{} by {}\n", lost_updates(run), run.counter));
                    }
                }
            }
        }
        let total: u64 = runs.iter().map(|run| run.total).sum();
        print(&format!("Total products packed: {total}\n"));
    }

    /// Prints notes on the total.
    fn print_remarks(&self, run: &Run) {
        if run.killed > 0 {
            print(&format!(
                "Workers killed and replaced: {}, repairs of a dead owner's change: {}\n",
                run.killed, run.recovered
            ));
        }
        if run.unsettled > 0 {
            print(&format!(
                "Unsettled: {} (killed while holding the product: it is unknown whether it was counted; \
                 --counter mutex does)\n",
                run.unsettled
            ));
        }
        if run.lost > 0 {
            print(&format!(
                "{} (try --counter mutex, atomic or sharded)\n",
                lost_updates(run)
            ));
        }
    }
}

/// How many updates were lost, red at a terminal.
fn lost_updates(run: &Run) -> impl Display {
    let lost = format!("Lost updates: {} of {}", run.lost, run.expected);
    console::style(lost).red()
}

fn table(runs: &[Run]) -> Table {
    let kills = runs.iter().any(|run| run.killed > 0);
    let mut header = vec!["kind", "expected", "total", "lost", "ns per op"];
    if kills {
        header.extend(["unsettled", "killed", "recovered"]);
    }
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(header);
    for run in runs {
        let mut row = vec![
            run.counter.to_string(),
            run.expected.to_string(),
            run.total.to_string(),
            run.lost.to_string(),
            format!("{:.1}", run.ns_per_op),
        ];
        if kills {
            row.extend([
                run.unsettled.to_string(),
                run.killed.to_string(),
                run.recovered.to_string(),
            ]);
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The progress of one run.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn set(&self, packed: u64) {
        self.0.set_position(packed);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
