//! The output for users and programs.

use comfy_table::Table;
use crossdock_cli::contention::Row;
use crossdock_cli::machine::Machine;
use crossdock_cli::terminal::tables;
use serde::Serialize;

use super::Measured;
use crate::print_ignoring_closed_pipes as print_text;

/// The kind that the others are compared with in the table.
const BASELINE: &str = "pthread-robust";

/// The one object of `--json`.
#[derive(Serialize)]
struct Document<'a> {
    machine: &'a Machine,
    setting: String,
    rows: &'a [Row],
    notes: &'a [String],
}

pub(super) fn print(measured: &Measured<'_>) -> Result<(), String> {
    let text = if measured.options.json {
        json(measured)?
    } else if measured.options.csv {
        csv(&measured.rows)?
    } else {
        people(measured)
    };
    print_text(&text);
    Ok(())
}

fn json(measured: &Measured<'_>) -> Result<String, String> {
    let document = Document {
        machine: &measured.machine,
        setting: measured.setting(),
        rows: &measured.rows,
        notes: &measured.notes,
    };
    let text = serde_json::to_string(&document).map_err(|error| error.to_string())?;
    Ok(text + "\n")
}

fn csv(rows: &[Row]) -> Result<String, String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
        "kind",
        "processes",
        "pin",
        "ns_per_op",
        "mops",
        "speedup",
        "fairness",
        "lost",
        "p50_ns",
        "p99_ns",
        "p999_ns",
    ];
    let refused = |error: csv::Error| error.to_string();
    writer.write_record(header).map_err(refused)?;
    for row in rows {
        let nanos = |time: Option<u64>| time.map_or(String::new(), |time| time.to_string());
        writer
            .write_record([
                row.kind.to_owned(),
                row.processes.to_string(),
                row.pin.to_string(),
                if row.ns_per_op.is_finite() {
                    row.ns_per_op.to_string()
                } else {
                    String::new()
                },
                row.mops.to_string(),
                row.speedup.map_or(String::new(), |times| times.to_string()),
                row.fairness.to_string(),
                row.lost.to_string(),
                nanos(row.p50_ns),
                nanos(row.p99_ns),
                nanos(row.p999_ns),
            ])
            .map_err(refused)?;
    }
    let bytes = writer.into_inner().map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

fn people(measured: &Measured<'_>) -> String {
    let mut text = format!(
        "{}\n{}\n{}\n",
        measured.machine,
        measured.setting().replace("; ", "\n"),
        reddened(table(measured).to_string(), &measured.rows)
    );
    for note in &measured.notes {
        let is_loss = note.contains(" lost ");
        let note = console::style(format!("note: {note}"));
        text += &format!("{}\n", if is_loss { note.red() } else { note });
    }
    text
}

/// Shows the lost updates in red, at a terminal.
fn reddened(table: String, rows: &[Row]) -> String {
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    for row in rows.iter().filter(|row| row.lost > 0) {
        let lost = format!(" {} ", row.lost);
        for line in &mut lines {
            if line.contains(row.kind)
                && let Some((before, after)) = format!("{line} ").rsplit_once(&lost)
            {
                let lost = console::style(row.lost).red();
                *line = format!("{before} {lost} {after}").trim_end().to_owned();
            }
        }
    }
    let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    lines.join("\n")
}

fn table(measured: &Measured<'_>) -> Table {
    let rows = &measured.rows;
    let latency = measured.options.latency;
    let compared = rows.iter().any(|row| row.kind == BASELINE);
    let mut header = vec!["procs", "kind", "ns/op", "Mops/s"];
    if latency {
        // As many columns as a terminal has room for.
        header.extend(["lost", "p50 ns", "p99 ns", "p99.9 ns"]);
    } else {
        header.push("speed-up");
        if compared {
            header.push("of robust");
        }
        header.extend(["fair", "lost"]);
    }
    let mut table = tables::grouped(&header);
    for row in rows {
        let mut cells = vec![
            row.kind.to_owned(),
            tables::number(row.ns_per_op),
            tables::number(row.mops),
        ];
        if latency {
            cells.push(row.lost.to_string());
            let times = [row.p50_ns, row.p99_ns, row.p999_ns];
            cells.extend(times.map(|time| time.map_or("-".to_owned(), |time| time.to_string())));
        } else {
            let speedup = row.speedup.map(|times| format!("{times:.2}"));
            cells.push(speedup.unwrap_or_else(|| "-".to_owned()));
            if compared {
                cells.push(of_yardstick(row, rows));
            }
            cells.extend([format!("{:.2}", row.fairness), row.lost.to_string()]);
        }
        table.add(&[row.processes.to_string()], &cells);
    }
    table.done(1)
}

/// Returns the time of an operation as a share of the baseline's with as many processes.
fn of_yardstick(row: &Row, rows: &[Row]) -> String {
    let same = |other: &&Row| other.kind == BASELINE && other.processes == row.processes;
    let ratio = rows
        .iter()
        .find(same)
        .map(|baseline| row.ns_per_op / baseline.ns_per_op);
    ratio
        .filter(|ratio| ratio.is_finite())
        .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"))
}
