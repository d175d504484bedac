//! `crash`: every operation is killed and stopped at its instructions.

mod allowed;
mod judge;
mod operation;
mod operations;
mod specified;
pub(crate) mod sweep;
mod trail;
mod victim;
mod walk;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::available_parallelism;
use std::time::Instant;

use comfy_table::{ContentArrangement, Table, presets};
use crossdock::{Counter, Segment, process};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use serde::{Deserialize, Serialize};

use crate::crash::operation::Harm;
use crate::crash::sweep::{Listed, Row, THIN};
use crate::process::{Broken, Rig};

/// What a sweeper is to do, which is a process of its own: the rig forks, traces and sets an alarm.
#[derive(Clone, Serialize, Deserialize)]
struct Task {
    full: bool,
    thin: bool,
    filter: Option<String>,
    /// How many operations the sweepers have begun.
    begun: Counter,
    /// The process that waits for it.
    rig: u32,
}

/// What a sweeper has done.
#[derive(Default, Serialize, Deserialize)]
struct Done {
    rows: Vec<Row>,
    /// Operations that could not be swept.
    broken: usize,
    /// Files that they left in /dev/shm.
    behind: Vec<PathBuf>,
}

/// Sweeps the operations whose names contain `filter`, as many at once as there are processors.
pub(crate) fn run(full: bool, filter: Option<&str>) -> Rig<ExitCode> {
    let begun = Instant::now();
    let count = wanted(filter).count();
    if count == 0 {
        return Err(Broken("no operation has such a name".into()));
    }
    let task = Task {
        full,
        thin: THIN.load(Relaxed),
        filter: filter.map(str::to_owned),
        begun: Segment::anonymous()?.create::<Counter>("begun", 0)?,
        rig: std::process::id(),
    };
    // A sweeper often waits for the process that it traces, or for a survivor.
    let sweepers = 2 * available_parallelism().map_or(1, NonZeroUsize::get);
    let sweepers = (0..sweepers.min(count))
        .map(|_| process::spawn(sweep_some, task.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    let mut all = Done::default();
    for sweeper in sweepers {
        let done = sweeper.join()?.map_err(Broken)?;
        all.rows.extend(done.rows);
        all.broken += done.broken;
        all.behind.extend(done.behind);
    }
    all.rows.sort_by_key(|row| row.place);
    Ok(judged(&all, begun))
}

/// The operations whose names contain `filter`.
fn wanted(filter: Option<&str>) -> impl Iterator<Item = (usize, &'static Listed)> {
    operations::all()
        .filter(move |listed| filter.is_none_or(|filter| listed.name.contains(filter)))
        .enumerate()
}

/// Sweeps operations that no other sweeper has begun, as long as there are any.
fn sweep_some(task: Task) -> Result<Done, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    set_pdeathsig(Signal::SIGKILL).map_err(|error| said(&error))?;
    if u32::try_from(getppid().as_raw()) != Ok(task.rig) {
        return Err("a process that waits for it has ended".to_owned());
    }
    THIN.store(task.thin, Relaxed);
    let mut done = Done::default();
    let mut mine = usize::try_from(task.begun.add(1)).map_err(|error| said(&error))?;
    let mut order: Vec<_> = wanted(task.filter.as_deref()).collect();
    // Pools take longest: at the end, one of them would be waited for alone.
    order.sort_by_key(|(_, listed)| !listed.name.starts_with("pool: "));
    for (at, (place, listed)) in order.into_iter().enumerate() {
        if at + 1 != mine {
            continue;
        }
        match (listed.sweep)(listed, task.full) {
            Ok(mut row) => {
                row.place = place;
                tell(&row);
                done.rows.push(row);
            }
            Err(Broken(what)) => {
                println!("{}: could not be swept: {what}", listed.name);
                done.broken += 1;
            }
        }
        mine = usize::try_from(task.begun.add(1)).map_err(|error| said(&error))?;
    }
    done.behind = operations::left_behind().map_err(|error| said(&error))?;
    operations::sweep_away().map_err(|error| said(&error))?;
    Ok(done)
}

/// Says what came of all, and whether it is good.
fn judged(done: &Done, begun: Instant) -> ExitCode {
    let Done {
        rows,
        broken,
        behind,
    } = done;
    println!("\n{}", table(rows));
    let sum = |count: fn(&Row) -> u64| rows.iter().map(count).sum::<u64>();
    let harms = |harm| rows.iter().map(|row| row.count(harm)).sum::<usize>();
    let uncaught: Vec<_> = rows.iter().filter(|row| row.caught.is_none()).collect();
    for path in behind {
        println!("crash: {} is left in /dev/shm", path.display());
    }
    if *broken > 0 {
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
    println!(
        "crash: {} survivors were served by the end of a slice, and not by a wake",
        sum(|row| row.by_slice)
    );
    if !uncaught.is_empty() {
        let names: Vec<_> = uncaught.iter().map(|row| &*row.name).collect();
        let (count, names) = (names.len(), names.join("; "));
        println!("crash: {count} seeded bugs were not caught: {names}");
    }
    if stuck + lost + duplicated + uncaught.len() + broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What one operation came to, as soon as it is swept: all at once, since others do so too.
fn tell(row: &Row) {
    const SHOWN: usize = 12;
    let mut said = format!(
        "{}: {} steps, {} kills, {} stops, {:.1} s\n",
        row.name,
        row.steps,
        row.kills,
        row.stops,
        row.took.as_secs_f64()
    );
    for (k, complaint) in row.complaints.iter().take(SHOWN) {
        said += &format!("    k={k}: {complaint}\n");
    }
    if row.complaints.len() > SHOWN {
        said += &format!("    and {} more\n", row.complaints.len() - SHOWN);
    }
    said += &match &row.caught {
        Some((k, bug)) => format!("    seeded bug \"{}\" caught at k={k}: {bug}", row.seed),
        None => format!("    seeded bug \"{}\" NOT caught", row.seed),
    };
    println!("{said}");
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
            "by a slice",
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
            row.name.clone().into_owned(),
            row.steps.to_string(),
            row.changes.to_string(),
            row.kills.to_string(),
            row.stops.to_string(),
            row.by_slice.to_string(),
            outcomes.join(", "),
            match &row.caught {
                Some((k, _)) => format!("caught at {k}"),
                None => "NOT CAUGHT".to_owned(),
            },
        ]);
    }
    table
}
