//! `top` on a real terminal, as a user sees it. Built with the feature of that name.

mod command;
mod patient;
mod tmux;

use crossdock::SegmentOptions;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use command::{crossdock, json, printed, refused};
use patient::{comes_to, held};
use tmux::Terminal;

#[test]
fn crossdock_worker() {
    crossdock::process::init();
}

/// Has a terminal run top, and say how it ended.
fn watch(terminal: &Terminal, name: &str, more: &str) {
    let top = env!("CARGO_BIN_EXE_crossdock");
    terminal.line(&format!("clear; {top} top {name} {more}; echo ended-$?"));
}

#[test]
fn without_a_terminal_it_is_one_line() {
    let (name, holder) = held();
    refused(&["top", &name.0]);
    refused(&["top"]);
    for interval in ["0", "-1", "1e9", "NaN", "soon"] {
        refused(&["top", &name.0, &format!("--interval={interval}")]);
    }
    let output = crossdock(&["top", &name.0]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(said.contains("needs a terminal"), "{said}");
    holder.kill().expect("killed");
}

#[test]
fn a_process_is_seen_to_hold_to_be_stopped_and_to_die() {
    let Some(terminal) = Terminal::new() else {
        return;
    };
    let (name, holder) = held();
    let pid = holder.id();
    watch(&terminal, &name.0, "--interval 0.1");
    let screen = terminal.shows("ENTRY");
    assert!(screen.contains(&format!("holder pid {pid}")), "{screen}");
    let row = |screen: &str| {
        let mut lines = screen.lines().map(str::to_owned);
        lines.find(|line| line.trim().starts_with(&format!("{pid}  ")))
    };
    let shown = row(&screen).expect("a row");
    assert!(shown.contains("  S  ") && shown.contains("iB"), "{shown}");
    assert!(shown.ends_with("stock"), "{shown}");
    let seen = json(&printed(&["inspect", &name.0, "--json"]));
    let id = seen["participants"][0]["id"].as_str().expect("an id");
    assert!(shown.contains(&format!("  {id} ")), "{shown}");

    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGSTOP).expect("it is there");
    comes_to(pid, &["T"]);
    terminal.comes_to(|screen| row(screen).is_some_and(|row| row.contains("  T  ")));
    terminal.key("Space");
    terminal.shows("PAUSED");
    holder.kill().expect("killed");
    holder.join().expect_err("killed");
    terminal.key("Space");
    terminal.comes_to(|screen| row(screen).is_some_and(|row| row.contains("  dead  ")));
    terminal.key("s");
    terminal.shows("sort: name");
    terminal.key("q");
    terminal.shows("ended-0");
    terminal.is_restored();
}

#[test]
fn a_narrow_terminal_shows_one_line_and_a_wide_one_again_the_tables() {
    let Some(terminal) = Terminal::new() else {
        return;
    };
    let (name, holder) = held();
    // No look comes, so what is shown anew is for the other size.
    watch(&terminal, &name.0, "--interval 3600");
    terminal.shows("ENTRY");
    terminal.tmux(&["resize-window", "-x", "20", "-y", "5"]);
    let screen = terminal.comes_to(|screen| screen.trim() == "too small: 72x8");
    assert_eq!(screen.trim().lines().count(), 1, "{screen}");
    terminal.tmux(&["resize-window", "-x", "80", "-y", "24"]);
    terminal.shows("ENTRY");
    terminal.key("Escape");
    terminal.shows("ended-0");
    terminal.is_restored();
    holder.kill().expect("killed");
}

#[test]
fn signals_that_end_it_restore_the_terminal() {
    let Some(terminal) = Terminal::new() else {
        return;
    };
    let (name, holder) = held();
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let top = env!("CARGO_BIN_EXE_crossdock");
        let script = format!(
            "echo $$ > \"$0\"; exec {top} top {} --interval 3600",
            name.0
        );
        let file = std::env::temp_dir().join(format!("{}-pid", name.0));
        let path = file.to_str().expect("UTF-8");
        // Without a job control of its own, so that the shell says nothing but the code.
        terminal.line(&format!("clear; sh -c '{script}' {path}; echo ended-$?"));
        terminal.shows("ENTRY");
        let pid = std::fs::read_to_string(&file).expect("written");
        let _there = std::fs::remove_file(&file);
        let pid = Pid::from_raw(pid.trim().parse().expect("a number"));
        kill(pid, signal).expect("it is there");
        terminal.shows(&format!("ended-{code}"));
        terminal.is_restored();
    }
    holder.kill().expect("killed");
}

#[test]
fn a_segment_that_goes_away_is_said_on_a_restored_terminal() {
    let Some(terminal) = Terminal::new() else {
        return;
    };
    let (name, holder) = held();
    watch(&terminal, &name.0, "--interval 0.1");
    terminal.shows("ENTRY");
    SegmentOptions::new()
        .open(&name.0)
        .expect("there")
        .unlink()
        .expect("removed");
    let screen = terminal.shows("ended-1");
    assert!(!name.exists());
    assert!(screen.contains("crossdock: "), "{screen}");
    assert!(screen.contains(&name.0), "{screen}");
    terminal.is_restored();
    // And one that is cut short.
    let (name, other) = held();
    watch(&terminal, &name.0, "--interval 0.1");
    terminal.shows("ENTRY");
    other.kill().expect("killed");
    other.join().expect_err("killed");
    let file = std::fs::File::options().write(true).open(name.path());
    file.expect("there").set_len(100).expect("cut");
    terminal.shows("ended-1");
    terminal.is_restored();
    holder.kill().expect("killed");
}
