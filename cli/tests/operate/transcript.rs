//! The transcript of docs/operate.md: its commands, run on a system that is stuck as it is there.

use crossdock::process::Process;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};

use crate::command::crossdock;
use crate::patient::{Name, comes_to, holder, unused};

fn page(name: &str) -> String {
    let path = format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("a page")
}

/// The transcript in a page: each command, and the lines that it prints.
fn transcript(page: &str) -> Vec<(String, Vec<String>)> {
    let (_, rest) = page.split_once("<!-- transcript -->\n").expect("a mark");
    let (_, rest) = rest.split_once("```text\n").expect("its beginning");
    let (text, _) = rest.split_once("```\n").expect("its end");
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => {
                let command = command.split(" #").next().unwrap_or(command);
                commands.push((command.trim_end().to_owned(), Vec::new()));
            }
            (None, Some((_, printed))) => printed.push(line.to_owned()),
            (None, None) => panic!("a line before the first command: {line}"),
        }
    }
    assert!(commands.len() > 3, "{text}");
    commands
}

/// A line without what differs from run to run: numbers, and the width of columns.
fn plain(line: &str) -> String {
    let mut text = String::new();
    for word in line.split_whitespace() {
        let mut digits = false;
        for one in word.chars() {
            if !one.is_ascii_digit() {
                text.push(one);
            } else if !digits {
                text.push('0');
            }
            digits = one.is_ascii_digit();
        }
        text.push(' ');
    }
    // Sizes and ages have one digit behind a dot, or none.
    text.replace("0.0", "0")
        .replace("min", "s")
        .trim_end()
        .to_owned()
}

struct Scene {
    warehouse: Name,
    old_run: Name,
    clerk: Process<()>,
    baker: Option<Process<()>>,
    user: String,
}

impl Scene {
    /// The clerk has the lock and is stopped; the baker was killed; no process has the other
    /// segment open.
    fn new() -> Self {
        let (warehouse, old_run) = (unused(), unused());
        let clerk = holder(&warehouse, "clerk");
        let mut baker = holder(&warehouse, "baker");
        let stop = Pid::from_raw(clerk.id().cast_signed());
        kill(stop, Signal::SIGSTOP).expect("it is there");
        comes_to(clerk.id(), &["T"]);
        baker.kill().expect("killed");
        baker.wait().expect("dead");
        let user = User::from_uid(nix::unistd::Uid::effective());
        let user = user.expect("asked").map_or("?".into(), |user| user.name);
        Self {
            warehouse,
            old_run,
            clerk,
            baker: Some(baker),
            user,
        }
    }

    /// The names of the page, in what was printed here.
    fn as_in_the_page(&self, line: &str) -> String {
        let line = line.replace(&self.warehouse.0, "warehouse");
        let line = line.replace(&self.old_run.0, "old-run");
        line.replace(&format!(" {} ", self.user), " root ")
    }

    /// Runs a command of the page, and returns what it prints about the segments of the page.
    fn run(&self, command: &str) -> Vec<String> {
        let command = command.replace("warehouse", &self.warehouse.0);
        let command = command.replace("old-run", &self.old_run.0);
        let words: Vec<&str> = command.split(' ').collect();
        match &words[..] {
            ["crossdock", arguments @ ..] => {
                let output = crossdock(arguments);
                assert!(output.stderr.is_empty(), "{command}: {output:?}");
                let printed = String::from_utf8(output.stdout).expect("UTF-8");
                let lines = printed.lines().map(|line| self.as_in_the_page(line));
                if arguments != ["ls"] {
                    return lines.collect();
                }
                let mine = [
                    "NAME",
                    "warehouse",
                    "old-run",
                    "unused ones",
                    "dead participants",
                ];
                let is_mine = |line: &String| mine.iter().any(|one| line.starts_with(one));
                lines.filter(is_mine).collect()
            }
            ["kill", "-CONT", _] => {
                let pid = Pid::from_raw(self.clerk.id().cast_signed());
                kill(pid, Signal::SIGCONT).expect("it is there");
                comes_to(self.clerk.id(), &["S", "R"]);
                Vec::new()
            }
            other => panic!("no such command: {other:?}"),
        }
    }
}

#[test]
fn the_commands_of_the_page_print_what_it_says() {
    let commands = transcript(&page("docs/operate.md"));
    let mut scene = Scene::new();
    for (command, expected) in &commands {
        let printed = scene.run(command);
        let expected: Vec<_> = expected.iter().map(|line| plain(line)).collect();
        let mut printed: Vec<_> = printed.iter().map(|line| plain(line)).collect();
        if command == "crossdock ls" {
            // Sorted by names that are other ones here.
            printed.sort();
            let mut expected = expected.clone();
            expected.sort();
            assert_eq!(printed, expected, "{command}");
        } else {
            assert_eq!(printed, expected, "{command}");
        }
    }
    assert!(!scene.old_run.exists(), "it was cleaned");
    assert!(scene.warehouse.exists());
    scene.clerk.kill().expect("killed");
    scene
        .baker
        .take()
        .expect("there")
        .join()
        .expect_err("killed");
}

#[test]
fn the_readme_shows_a_part_of_it() {
    let whole = transcript(&page("docs/operate.md"));
    for part in transcript(&page("README.md")) {
        assert!(whole.contains(&part), "{part:?}");
    }
}
