//! The document for people.

use std::fmt::Write;

use super::kept::Kept;
use super::table::{goals, nanos, table, times};
use super::verdict::Duel;
use super::{Report, versions::Versions};
use crate::contest::{Figure, Setting};
use crate::kills::{PYTHON, Toll};
use crate::peers::locks::{ENTRANTS, Entrant, OURS, Sort, entrant};

/// The whole document; `kept` is what others wrote into the one before.
pub(super) fn document(report: &Report, kept: &Kept) -> String {
    let parts = [
        head(report),
        contention(report),
        format!("## Goals\n\n{}", goals(&report.goals)),
        lost(report),
        won(report),
        creation(report),
        kills(report),
        format!(
            "## What is not comparable\n\n{}",
            include_str!("text/limits.md").trim_end()
        ),
        noise(report),
        kept.text(),
    ];
    parts.join("\n\n")
}

fn micros(ns: f64) -> String {
    format!("{:.1}", ns / 1e3)
}

fn label(kind: &str) -> &str {
    let python = PYTHON.iter().find(|(name, _)| *name == kind);
    let other = python.map_or(kind, |(_, label)| label);
    entrant(kind).map_or(other, |entrant| entrant.label)
}

fn head(report: &Report) -> String {
    let machine = &report.machine;
    let effort = &report.effort;
    let versions: Vec<String> = versions(&report.versions)
        .into_iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    format!(
        "# Benchmarks\n\n\
         crossdock beside what people would use instead. Written by `{}`, all but the parts behind it \
         that are marked: change the program, not the figures.\n\n\
         - **Date**: {}\n\
         - **Machine**: {machine}\n\
         - **Versions**: {}\n\
         - **Effort**: {} runs of {} s for each figure of the locks, {} kills of each lock{}",
        report.command,
        report.date,
        versions.join(", "),
        effort.runs,
        effort.secs,
        effort.kills,
        not_installed(),
    )
}

/// What was not there to be measured.
fn not_installed() -> String {
    let missing = || {
        ENTRANTS
            .iter()
            .filter(|entrant| entrant.missing().is_some())
    };
    let Some(what) = missing().find_map(Entrant::missing) else {
        return String::new();
    };
    let labels: Vec<&str> = missing().map(|entrant| entrant.label).collect();
    let labels = labels.join(" and ");
    format!("\n- **Not installed**: {labels}, for want of {what}")
}

fn versions(versions: &Versions) -> [(&'static str, &str); 8] {
    let rustc = versions.rustc.strip_prefix("rustc ");
    let rustc = rustc.unwrap_or(versions.rustc);
    fn of(version: &Option<String>) -> &str {
        version.as_deref().unwrap_or("(not there, left out)")
    }
    [
        ("rustc", rustc.split(' ').next().unwrap_or(rustc)),
        ("crossdock", versions.crossdock),
        ("raw_sync", &versions.raw_sync),
        ("shared_memory", &versions.shared_memory),
        ("parking_lot", &versions.parking_lot),
        ("glibc", &versions.glibc),
        ("Boost", of(&versions.boost)),
        ("Python", of(&versions.python)),
    ]
}

fn contention(report: &Report) -> String {
    let mut text = format!("## Contention\n\n{}", include_str!("text/contention.md"));
    for setting in &report.settings {
        let _ = write!(text, "\n### {}\n\n{}\n", setting.title, figures(setting));
        for figure in setting.figures.iter().filter(|figure| figure.lost != 0) {
            let _ = writeln!(
                text,
                "\n**Lost additions**: {} in `{}`.",
                figure.lost, figure.kind
            );
        }
    }
    text.trim_end().to_owned()
}

fn figures(setting: &Setting) -> String {
    let header = [
        "",
        "ns",
        "least..most",
        "Mops/s",
        "x robust",
        "x best",
        "fairness",
        "after a kill",
    ];
    let several = setting.processes > 1;
    let row = |figure: &Figure| {
        let after = entrant(figure.kind).map_or("", |entrant| entrant.after_kill.words());
        vec![
            label(figure.kind).to_owned(),
            nanos(figure.ns_per_op),
            format!("{}..{}", nanos(figure.ns_min), nanos(figure.ns_max)),
            format!("{:.2}", figure.mops),
            times(figure.to_robust),
            times(figure.to_best),
            times(several.then_some(figure.fairness)),
            after.to_owned(),
        ]
    };
    table(&header, setting.figures.iter().map(row))
}

fn clearness(duel: &Duel) -> String {
    if duel.clear { "yes" } else { "no" }.into()
}

fn lost(report: &Report) -> String {
    let mut lost: Vec<&Duel> = report.duels.iter().filter(|duel| duel.lost()).collect();
    lost.sort_by(|one, other| other.ratio.total_cmp(&one.ratio));
    let (threads, processes): (Vec<&Duel>, Vec<&Duel>) = lost
        .into_iter()
        .partition(|duel| duel.sort == Sort::Threads);
    let mut text = String::from(include_str!("text/slower.md"));
    let parts = [
        ("Locks between processes", processes),
        ("Locks between threads, for scale", threads),
    ];
    for (title, duels) in parts {
        let _ = write!(text, "\n### {title}\n\n");
        text += &if duels.is_empty() {
            "None was faster anywhere.\n".to_owned()
        } else {
            slower(&duels) + "\n"
        };
    }
    let _ = write!(
        text,
        "\n### Making shared memory\n\n{}",
        slower_making(report)
    );
    text
}

fn slower(duels: &[&Duel]) -> String {
    let header = [
        "faster",
        "setting",
        "ours over theirs",
        "apart",
        "after a kill",
    ];
    let row = |duel: &&Duel| {
        vec![
            duel.label.to_owned(),
            duel.setting.clone(),
            times(Some(duel.ratio)),
            clearness(duel),
            duel.after_kill.words().into(),
        ]
    };
    table(&header, duels.iter().map(row))
}

fn slower_making(report: &Report) -> String {
    let mut rows = Vec::new();
    for ours in report.creation.iter().filter(|made| made.ours) {
        let theirs = report.creation.iter();
        let theirs = theirs.filter(|made| !made.ours && made.bytes == ours.bytes);
        for theirs in theirs.filter(|theirs| theirs.ns < ours.ns) {
            rows.push(vec![
                ours.what.to_owned(),
                format!("{} KiB", ours.bytes >> 10),
                times(Some(ours.ns / theirs.ns)),
            ]);
        }
    }
    if rows.is_empty() {
        return "shared_memory was faster nowhere.".into();
    }
    table(
        &["slower than shared_memory", "size", "ours over theirs"],
        rows,
    )
}

fn won(report: &Report) -> String {
    let mut names: Vec<&str> = Vec::new();
    for duel in &report.duels {
        if !names.contains(&duel.against) {
            names.push(duel.against);
        }
    }
    let rows = names.iter().map(|name| {
        let duels: Vec<&Duel> = report
            .duels
            .iter()
            .filter(|duel| duel.against == *name)
            .collect();
        let won = duels.iter().filter(|duel| !duel.lost());
        let clear = won.clone().filter(|duel| duel.clear).count();
        let ratios = || duels.iter().map(|duel| duel.ratio);
        vec![
            label(name).to_owned(),
            format!("{} of {}", won.count(), duels.len()),
            clear.to_string(),
            times(ratios().min_by(f64::total_cmp)),
            times(ratios().max_by(f64::total_cmp)),
        ]
    });
    let header = [
        "against",
        "ours is faster in",
        "of these apart",
        "least ratio",
        "greatest ratio",
    ];
    format!(
        "## Where crossdock is faster\n\nIn how many settings crossdock's mutex was faster, and our time \
         over theirs.\n\n{}",
        table(&header, rows)
    )
}

fn creation(report: &Report) -> String {
    let rows = report.creation.iter().map(|made| {
        vec![
            made.what.to_owned(),
            format!("{} KiB", made.bytes >> 10),
            micros(made.ns),
            format!("{}..{}", micros(made.ns_min), micros(made.ns_max)),
        ]
    });
    let header = ["", "size", "us each", "least..most"];
    format!(
        "## Making shared memory\n\n{}\n{}",
        include_str!("text/creation.md"),
        table(&header, rows)
    )
}

fn kills(report: &Report) -> String {
    if report.effort.kills == 0 {
        return "## Owners killed\n\nNot tried in this run.".into();
    }
    let text = include_str!("text/kills.md").replace("{stuck}", &report.stuck_after_ms.to_string());
    let row = |toll: &Toll| {
        let counts = [toll.kills, toll.held, toll.stuck, toll.told, toll.wrong];
        let mut row = vec![label(toll.kind).to_owned()];
        row.extend(counts.map(|count| count.to_string()));
        row
    };
    let header = ["", "kills", "held", "stuck", "told", "wrong"];
    let table = table(&header, report.kills.iter().map(row));
    format!("## Owners killed\n\n{text}\n{table}")
}

fn noise(report: &Report) -> String {
    let spread = |figure: &Figure| figure.ns_max / figure.ns_min;
    let all = report.settings.iter().flat_map(|setting| &setting.figures);
    let locks = all.filter(|figure| matches!(figure.sort, Sort::Lock | Sort::Number));
    let mut spreads: Vec<f64> = locks.map(spread).collect();
    spreads.sort_by(f64::total_cmp);
    let Some(widest) = spreads.last() else {
        return "## Noise\n\nNothing was measured.".into();
    };
    let ours = report.settings.iter().filter_map(Setting::ours).map(spread);
    let ours = ours.max_by(f64::total_cmp);
    format!(
        "## Noise\n\nBetween the fastest and the slowest run of one figure lay a factor of {:.2} in the \
         median, {widest:.2} at most; for `{OURS}` {} at most. The tables have the range of each.",
        spreads[spreads.len() / 2],
        times(ours),
    )
}
