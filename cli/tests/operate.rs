//! `ls`, `doctor`, `repair` and `clean`, as a user runs them, with real processes.

mod command;
mod patient;
#[path = "operate/transcript.rs"]
mod transcript;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Output;

use crossdock::array::Init;
use crossdock::queue::{WorkOptions, WorkQueue};
use crossdock::{Array, Segment, SegmentOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use command::{crossdock, json, printed, refused};
use patient::{Name, comes_to, held, options, unused};

#[test]
fn crossdock_worker() {
    crossdock::process::init();
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// The findings about a segment: code, and line.
#[track_caller]
fn findings(name: &str) -> Vec<(String, String)> {
    let output = crossdock(&["doctor", name, "--json"]);
    let found = json(text(&output.stdout));
    let found: Vec<_> = found["findings"].as_array().expect("a list").clone();
    let expected = i32::from(!found.is_empty());
    assert_eq!(output.status.code(), Some(expected), "{output:?}");
    let lines = crossdock(&["doctor", name]);
    assert_eq!(lines.status.code(), Some(expected), "{lines:?}");
    let lines: Vec<_> = text(&lines.stdout).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), found.len().max(1), "{lines:?}");
    if found.is_empty() {
        assert!(
            lines[0].starts_with(&format!("ok    {name}: ")),
            "{lines:?}"
        );
        return Vec::new();
    }
    let code = |one: &Value| one["code"].as_str().expect("a code").to_owned();
    for line in &lines {
        assert!(line.starts_with(&format!("warn  {name}: ")), "{line}");
        assert!(line.contains(" -> "), "{line}");
    }
    found.iter().map(code).zip(lines).collect()
}

/// The one thing that is wrong with a segment, whose line contains `remedy`.
#[track_caller]
fn ails(name: &str, code: &str, remedy: &str) {
    let found = findings(name);
    assert!(
        matches!(&found[..], [(found, line)] if found == code && line.contains(remedy)),
        "{found:?}"
    );
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).expect("it is there");
}

/// The row of a segment in `ls`.
fn listed(name: &str) -> Option<Value> {
    let all = json(&printed(&["ls", "--all", "--json"]));
    let rows = all["segments"].as_array().expect("a list").clone();
    rows.into_iter().find(|row| row["name"] == name)
}

#[test]
fn a_healthy_segment_has_no_findings_and_is_listed() {
    let (name, holder) = held();
    assert_eq!(findings(&name.0), []);
    let row = listed(&name.0).expect("listed");
    let expected = [
        ("entries", 3),
        ("alive", 1),
        ("dead", 0),
        ("bytes", 1 << 16),
    ];
    for (key, value) in expected {
        assert_eq!(row[key], value, "{row}");
    }
    assert_eq!(
        (&row["kind"], &row["in_use"]),
        (&"named".into(), &true.into())
    );
    assert!(
        row["problem"].is_null() && row["used"].as_u64() > Some(4096),
        "{row}"
    );
    // Nor has it any in a look at all.
    let all = crossdock(&["doctor", "--json"]);
    let all = json(text(&all.stdout));
    let mine = |one: &&Value| one["segment"] == name.0.as_str();
    assert_eq!(all["findings"].as_array().unwrap().iter().find(mine), None);
    holder.kill().expect("killed");
}

#[test]
fn a_table_is_plain_and_within_80_columns() {
    let (name, holder) = held();
    let table = printed(&["ls"]);
    let lines: Vec<_> = table.lines().collect();
    assert!(
        lines[0].starts_with("NAME") && lines[0].contains("ENTRIES  ALIVE  DEAD"),
        "{table}"
    );
    let row = lines
        .iter()
        .find(|line| line.starts_with(&name.0))
        .expect("listed");
    assert!(row.contains(" 64 KiB ") && row.len() <= 80, "{row}");
    assert!(!table.contains('\u{1b}'), "{table}");
    holder.kill().expect("killed");
}

#[test]
fn a_dead_participant_is_found_and_repaired() {
    let (name, holder) = held();
    let keeps = options().open(&name.0).expect("there");
    let pid = holder.id();
    holder.kill().expect("killed");
    holder.join().expect_err("killed");
    let line = format!(
        "pid {pid} is dead, held stock -> crossdock repair {}",
        name.0
    );
    ails(&name.0, "dead", &line);
    assert_eq!(listed(&name.0).expect("listed")["dead"], 1);
    let repaired = printed(&["repair", &name.0]);
    assert_eq!(repaired.lines().count(), 1);
    let line = format!("(pid {pid}), which held stock\n");
    assert!(repaired.ends_with(&line), "{repaired}");
    assert_eq!(findings(&name.0), []);
    assert_eq!(
        printed(&["repair", &name.0]),
        "nothing to repair: no participant is dead\n"
    );
    let again = json(&printed(&["repair", &name.0, "--json"]));
    assert_eq!(again["freed"], Value::Array(Vec::new()));
    let stock = keeps.open::<crossdock::Mutex<u64>>("stock").expect("there");
    assert!(matches!(
        stock.lock(),
        Err(crossdock::sync::LockError::OwnerDied(_))
    ));
}

#[test]
fn a_stopped_participant_is_found_until_it_goes_on() {
    let (name, holder) = held();
    let pid = holder.id();
    signal(pid, Signal::SIGSTOP);
    comes_to(pid, &["T"]);
    ails(
        &name.0,
        "stopped",
        &format!("holds stock -> kill -CONT {pid}"),
    );
    // It is alive, and keeps what it has.
    assert_eq!(
        printed(&["repair", &name.0]),
        "nothing to repair: no participant is dead\n"
    );
    signal(pid, Signal::SIGCONT);
    comes_to(pid, &["S", "R"]);
    assert_eq!(findings(&name.0), []);
    holder.kill().expect("killed");
}

#[test]
fn a_participant_that_proc_does_not_know_is_found() {
    let (name, holder) = held();
    let file = File::options()
        .read(true)
        .write(true)
        .open(name.path())
        .expect("there");
    // Where the registry has the start time of the only participant.
    let participants = options().open(&name.0).expect("there").participants();
    assert_eq!(participants.len(), 1, "{participants:?}");
    let at = 512 + u64::from(participants[0].index) * 64 + 8;
    let mut time = [0; 8];
    file.read_exact_at(&mut time, at).expect("read");
    let other = (u64::from_le_bytes(time) + 1).to_le_bytes();
    file.write_all_at(&other, at).expect("written");
    ails(&name.0, "not-in-proc", "docs/operate.md");
    file.write_all_at(&time, at).expect("written");
    assert_eq!(findings(&name.0), []);
    holder.kill().expect("killed");
}

/// Holds the lock, and starts a child in this process's memory, as vfork does.
fn hold_beside_a_child((segment, ready): (Segment, crossdock::sync::Event)) {
    extern "C" fn sleep(_: *mut libc::c_void) -> libc::c_int {
        loop {
            // SAFETY: it only waits for a signal.
            unsafe { libc::pause() };
        }
    }
    let stock = segment
        .open::<crossdock::Mutex<u64>>("stock")
        .expect("there");
    let _held = stock.lock().expect("free");
    let mut stack = vec![0_u128; 4096];
    let top = stack.as_mut_ptr_range().end.cast();
    let flags = libc::CLONE_VM | libc::SIGCHLD;
    // SAFETY: the stack is the child's alone, which never returns from the function.
    let child = unsafe { libc::clone(sleep, top, flags, std::ptr::null_mut()) };
    assert!(child > 0);
    ready.set();
    loop {
        std::thread::park();
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<u32> {
    let parent = |stat: &str| {
        let (_, after) = stat.rsplit_once(") ")?;
        after.split(' ').nth(1)?.parse::<u32>().ok()
    };
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = all.filter_map(|one| one.file_name().to_str()?.parse().ok());
    let is_child = |child: &u32| {
        let stat = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        parent(&stat) == Some(pid)
    };
    pids.filter(is_child).collect()
}

#[test]
fn a_child_in_a_dead_participants_memory_is_found() {
    crossdock::process::init_test("crossdock_worker");
    let name = unused();
    let segment = options().open(&name.0).expect("there");
    let ready = segment
        .open::<crossdock::sync::Event>("ready")
        .expect("there");
    let holder = crossdock::process::spawn(hold_beside_a_child, (segment, ready.clone()));
    let holder = holder.expect("spawned");
    ready.wait().expect("it is there");
    let pid = holder.id();
    let [child] = children(pid)[..] else {
        panic!("{:?}", children(pid));
    };
    assert_eq!(findings(&name.0), []);
    signal(pid, Signal::SIGKILL);
    holder.join().expect_err("killed");
    let expected = format!("pid {pid} is gone, but pid {child} (");
    let found = findings(&name.0);
    signal(child, Signal::SIGKILL);
    assert!(
        matches!(&found[..], [(code, line)] if code == "not-in-proc"
            && line.contains(&expected) && line.contains(&format!("-> kill {child}"))),
        "{found:?}"
    );
    let gone = || findings(&name.0).iter().all(|(code, _)| code == "dead");
    let watchdog = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !gone() {
        assert!(std::time::Instant::now() < watchdog);
    }
}

#[test]
fn damaged_words_of_an_entry_are_found() {
    let name = Name::new();
    let segment = options().create_new(&name.0).expect("a segment");
    let permits = segment.create::<crossdock::sync::Semaphore>("permits", 3);
    permits.expect("a semaphore");
    assert_eq!(findings(&name.0), []);
    let entries = segment.entries().expect("whole");
    let file = File::options()
        .write(true)
        .open(name.path())
        .expect("there");
    let second = entries[0].offset + 128 + 4;
    file.write_all_at(&[0xff; 4], second).expect("written");
    ails(&name.0, "damaged-entry", "permits has corrupt words: 1 ->");
}

#[test]
fn dead_letters_are_found() {
    let name = Name::new();
    let segment = options().create_new(&name.0).expect("a segment");
    let orders = segment.create::<WorkQueue<u64>>("orders", WorkOptions::new(4));
    let orders = orders.expect("a queue");
    orders.send(7).expect("sent");
    assert_eq!(findings(&name.0), []);
    let order = orders.recv().expect("received");
    order.reject().expect("held");
    ails(
        &name.0,
        "dead-letters",
        "orders has a dead letter -> take them",
    );
    let letter = orders.dead_letters().take().expect("asked");
    letter.expect("there").ack().expect("held");
    assert_eq!(findings(&name.0), []);
}

#[test]
fn a_full_segment_is_found() {
    let name = Name::new();
    let segment = options().entries(4).create_new(&name.0).expect("a segment");
    let numbers = Init::<u8>::zeroed(59_000);
    segment
        .create::<Array<u8>>("numbers", numbers)
        .expect("it fits");
    ails(&name.0, "full", "larger segment");
}

#[test]
fn an_unused_segment_is_found_and_cleaned() {
    let name = unused();
    ails(&name.0, "unused", &format!("-> crossdock clean {}", name.0));
    assert_eq!(listed(&name.0).expect("listed")["in_use"], false);
    assert_eq!(
        printed(&["clean", &name.0]),
        format!("removed {} (64 KiB)\n", name.0)
    );
    assert!(!name.exists());
    failed(&["clean", &name.0], "there is no segment");
}

/// Fails with exit code 1, and one line.
#[track_caller]
fn failed(arguments: &[&str], expected: &str) -> Output {
    fails_with(1, arguments, expected)
}

#[track_caller]
fn fails_with(code: i32, arguments: &[&str], expected: &str) -> Output {
    let output = crossdock(arguments);
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    let said = text(&output.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.starts_with("crossdock: ") && said.contains(expected),
        "{said}"
    );
    output
}

#[expect(clippy::disallowed_types, reason = "files have times of this clock")]
fn created_long_ago(file: &File) {
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1);
    file.set_modified(old).expect("its owner may");
}

#[test]
fn what_a_living_process_has_is_never_cleaned() {
    let (name, holder) = held();
    let pid = holder.id();
    failed(&["clean", &name.0], "is in use");
    signal(pid, Signal::SIGSTOP);
    comes_to(pid, &["T"]);
    failed(&["clean", &name.0], "is in use");
    let dead = ["clean", "--dead", "--older", "300d", "--json"];
    let file = File::options()
        .write(true)
        .open(name.path())
        .expect("there");
    created_long_ago(&file);
    let cleaned = json(&printed(&dead));
    let kept = cleaned["kept"].as_array().expect("a list");
    let mine = kept.iter().find(|one| one["name"] == name.0.as_str());
    assert_eq!(mine.expect("listed")["why"], "in-use");
    assert!(name.exists());
    signal(pid, Signal::SIGKILL);
    holder.join().expect_err("killed");
    let cleaned = json(&printed(&dead));
    let removed = cleaned["removed"].as_array().expect("a list");
    assert!(
        removed.iter().any(|one| one["name"] == name.0.as_str()),
        "{cleaned}"
    );
    assert!(!name.exists());
}

#[test]
fn age_alone_keeps_young_ones_and_removes_none_in_use() {
    let name = unused();
    let cleaned = json(&printed(&["clean", "--dead", "--older", "300d", "--json"]));
    let kept = cleaned["kept"].as_array().expect("a list");
    let mine = kept.iter().find(|one| one["name"] == name.0.as_str());
    assert_eq!(mine.expect("listed")["why"], "young");
    assert!(name.exists());
}

#[test]
fn another_layout_version_is_found_listed_and_never_cleaned() {
    let name = unused();
    let file = File::options()
        .write(true)
        .open(name.path())
        .expect("there");
    file.write_all_at(&9_u32.to_le_bytes(), 8).expect("written");
    ails(
        &name.0,
        "other-layout",
        "-> use the crossdock of its programs",
    );
    assert_eq!(listed(&name.0).expect("listed")["problem"], "other-layout");
    failed(&["clean", &name.0], "layout version 9");
    failed(&["repair", &name.0], "expected layout version 2, found 9");
    assert!(name.exists());
}

#[test]
fn a_truncated_file_is_found_and_cleaned() {
    let name = unused();
    let file = File::options()
        .write(true)
        .open(name.path())
        .expect("there");
    file.set_len(8192).expect("truncated");
    ails(
        &name.0,
        "other-size",
        &format!("crossdock clean {}", name.0),
    );
    printed(&["clean", &name.0]);
    assert!(!name.exists());
}

#[test]
fn an_empty_file_a_foreign_one_and_garbage_are_found() {
    let empty = unused();
    fs::write(empty.path(), b"").expect("written");
    ails(&empty.0, "empty", "crossdock clean");
    let foreign = unused();
    fs::write(foreign.path(), [b'x'; 4096]).expect("written");
    ails(&foreign.0, "foreign", "rm /dev/shm/crossdock.");
    let garbage = unused();
    let file = File::options()
        .write(true)
        .open(garbage.path())
        .expect("there");
    file.write_all_at(&[7], 40).expect("written");
    ails(&garbage.0, "corrupt", "crossdock clean");
    for name in [&empty, &foreign, &garbage] {
        assert!(!listed(&name.0).expect("listed")["problem"].is_null());
    }
}

#[test]
fn a_name_that_was_removed_in_use_is_found_by_its_process() {
    let (name, holder) = held();
    let pid = holder.id();
    SegmentOptions::remove(&name.0).expect("removed");
    let output = crossdock(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let all = json(text(&output.stdout));
    let all = all["findings"].as_array().expect("a list");
    let mine = |one: &&Value| one["pid"] == pid && one["code"] == "name-removed";
    let found = all.iter().find(mine).expect("found");
    let shown = found["segment"].as_str().expect("a name").to_owned();
    ails(&shown, "name-removed", &format!("kill {pid}"));
    assert_eq!(listed(&shown).expect("listed")["kind"], "removed");
    holder.kill().expect("killed");
}

#[test]
fn a_segment_without_a_name_is_listed_once_for_all_its_descriptors() {
    let segment = Segment::anonymous().expect("a segment");
    let second = std::os::fd::AsFd::as_fd(&segment).try_clone_to_owned();
    let inode = File::from(second.expect("dup"));
    let inode = std::os::unix::fs::MetadataExt::ino(&inode.metadata().expect("fstat"));
    let row = listed(&format!("memfd:{inode}")).expect("listed");
    assert_eq!(row["kind"], "anonymous");
    let pids = row["pids"].as_array().expect("a list");
    assert!(pids.contains(&std::process::id().into()), "{row}");
    let all = printed(&["ls", "--all"]);
    assert_eq!(all.matches(&format!("memfd:{inode}")).count(), 1);
    let plain = crossdock(&["ls"]);
    assert!(!text(&plain.stdout).contains(&format!("memfd:{inode} ")));
}

#[test]
fn wrong_arguments_and_names_that_are_not_there_are_one_line() {
    refused(&["clean"]);
    refused(&["clean", "a", "--dead"]);
    refused(&["clean", "a", "--older", "1d"]);
    refused(&["clean", "--dead", "--older", "soon"]);
    refused(&["repair"]);
    refused(&["ls", "warehouse"]);
    failed(&["repair", "cli-no-such"], "there is no segment named");
    failed(&["repair", "a/b"], "name");
    failed(&["repair", "memfd:1"], "no process has");
    fails_with(2, &["doctor", "cli-no-such"], "there is no segment named");
    fails_with(2, &["doctor", "a/b", "--json"], "name");
}

#[test]
fn a_segment_without_permission_is_said_so() {
    if !nix::unistd::Uid::effective().is_root() {
        println!("skipped: needs to be root, to become another user");
        return;
    }
    let (name, holder) = held();
    let other = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_crossdock"));
        std::os::unix::process::CommandExt::uid(&mut command, 65_534);
        command.args(arguments).output()
    };
    let Ok(asked) = other(&["doctor", &name.0]) else {
        println!("skipped: another user may not run the command here");
        return;
    };
    assert_eq!(asked.status.code(), Some(2), "{asked:?}");
    assert!(text(&asked.stderr).contains("no permission"), "{asked:?}");
    let rows = other(&["ls", "--json"]).expect("as before");
    let rows = json(text(&rows.stdout));
    let mine = |row: &&Value| row["name"] == name.0.as_str();
    let row = rows["segments"].as_array().unwrap().iter().find(mine);
    assert_eq!(row.expect("listed")["problem"], "no-access");
    let cleaned = other(&["clean", &name.0]).expect("as before");
    assert_eq!(cleaned.status.code(), Some(1));
    assert!(name.exists());
    holder.kill().expect("killed");
}
