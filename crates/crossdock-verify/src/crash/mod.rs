//! `crash`: every operation is killed and stopped at its instructions.

mod judge;
mod operation;
mod operations;
pub(crate) mod sweep;
mod trail;
mod victim;

use std::process::ExitCode;
use std::time::Instant;

use comfy_table::{ContentArrangement, Table, presets};

use crate::crash::operation::Harm;
use crate::crash::sweep::Row;
use crate::process::Broken;

/// Sweeps the operations whose names contain `filter`.
pub(crate) fn run(full: bool, filter: Option<&str>) -> Result<ExitCode, Broken> {
    let begun = Instant::now();
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    let mut rows = Vec::new();
    let mut broken = 0;
    for listed in operations::all().filter(|listed| wanted(listed.name)) {
        match (listed.sweep)(listed, full) {
            Ok(row) => {
                tell(&row);
                rows.push(row);
            }
            Err(Broken(what)) => {
                println!("{}: could not be swept: {what}", listed.name);
                broken += 1;
            }
        }
    }
    if rows.is_empty() && broken == 0 {
        return Err(Broken("no operation has such a name".into()));
    }
    let behind = operations::left_behind()?;
    operations::sweep_away()?;
    println!("\n{}", table(&rows));
    let sum = |count: fn(&Row) -> u64| rows.iter().map(count).sum::<u64>();
    let harms = |harm| rows.iter().map(|row| row.count(harm)).sum::<usize>();
    let uncaught = rows.iter().filter(|row| row.caught.is_none()).count();
    for path in &behind {
        println!("crash: {} is left in /dev/shm", path.display());
    }
    if uncaught > 0 {
        println!("crash: {uncaught} seeded bugs were not caught");
    }
    if broken > 0 {
        println!("crash: {broken} operations could not be swept");
    }
    let (stuck, lost, duplicated) = (
        harms(Harm::Stuck) + behind.len(),
        harms(Harm::Lost),
        harms(Harm::Duplicated),
    );
    println!("crash: took {:.1} s", begun.elapsed().as_secs_f64());
    println!(
        "crash: {} kill points, {} stop points, {stuck} stuck, {lost} lost, {duplicated} duplicated",
        sum(|row| row.kills),
        sum(|row| row.stops),
    );
    let good = stuck + lost + duplicated + uncaught + broken == 0;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What one operation came to, as soon as it is swept.
fn tell(row: &Row) {
    const SHOWN: usize = 12;
    println!(
        "{}: {} steps, {} kills, {} stops, {:.1} s",
        row.name,
        row.steps,
        row.kills,
        row.stops,
        row.took.as_secs_f64()
    );
    for (k, complaint) in row.complaints.iter().take(SHOWN) {
        println!("    k={k}: {complaint}");
    }
    if row.complaints.len() > SHOWN {
        println!("    and {} more", row.complaints.len() - SHOWN);
    }
    match &row.caught {
        Some((k, said)) => println!("    seeded bug \"{}\" caught at k={k}: {said}", row.seed),
        None => println!("    seeded bug \"{}\" NOT caught", row.seed),
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_MARKDOWN)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "operation",
            "steps",
            "changes",
            "kills",
            "stops",
            "outcomes",
            "seeded bug",
        ]);
    for row in rows {
        let mut outcomes: Vec<String> = row
            .outcomes
            .iter()
            .map(|(what, count)| format!("{count} {what}"))
            .collect();
        if !row.complaints.is_empty() {
            outcomes.push(format!("{} COMPLAINTS", row.complaints.len()));
        }
        table.add_row([
            row.name.to_owned(),
            row.steps.to_string(),
            row.changes.to_string(),
            row.kills.to_string(),
            row.stops.to_string(),
            outcomes.join(", "),
            match &row.caught {
                Some((k, _)) => format!("caught at {k}"),
                None => "NOT CAUGHT".to_owned(),
            },
        ]);
    }
    table
}
