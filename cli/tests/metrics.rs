//! `metrics`, as a user and as Prometheus runs it, with real processes.

#[expect(dead_code, reason = "other tests read JSON")]
mod command;
#[path = "metrics/format.rs"]
mod format;
#[expect(dead_code, reason = "other tests remove names and wait for states")]
mod patient;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crossdock::Counter;
use crossdock::queue::{Queue, WorkQueue};
use crossdock::sync::{Event, Semaphore};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use command::{crossdock, printed, refused};
use format::Samples;
use patient::{Name, held, options};

#[test]
fn crossdock_worker() {
    crossdock::process::init();
}

#[test]
fn a_segment_that_counts_has_counters_and_queues_have_them_anyway() {
    let name = Name::new();
    let segment = options().stats(true).create_new(&name.0).expect("created");
    let orders = segment.create::<WorkQueue<u32>>("orders", 8).expect("made");
    for order in [1, 2, 3] {
        orders.send(order).expect("sent");
        orders.recv().expect("there").ack().expect("held");
    }
    let none = orders.recv_timeout(Duration::from_millis(10));
    assert!(none.is_err());
    let text = printed(&["metrics", &name.0]);
    let family = "crossdock_entry_events_total";
    let of = |entry, kind| {
        format!(
            "{family}{{segment=\"{}\",entry=\"{entry}\",kind=\"{kind}\",",
            name.0
        )
    };
    for (entry, kind, counted) in [
        ("crossdock.stats", "Stats", "field=\"waits\"} 1"),
        ("crossdock.stats", "Stats", "field=\"long waits\"} 0"),
        ("orders", "WorkQueue", "field=\"sent\"} 3"),
        ("orders", "WorkQueue", "field=\"received\"} 3"),
    ] {
        let line = format!("{}{counted}", of(entry, kind));
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}

#[test]
fn a_segment_without_a_name_is_seen_if_all_are_asked_for() {
    let segment = options().anonymous().expect("created");
    segment.create::<Counter>("packed", 7).expect("made");
    let file = fs::File::from(segment.as_fd().try_clone_to_owned().expect("a descriptor"));
    let inode = file.metadata().expect("of an open file").ino();
    let name = format!("memfd:{inode}");
    let value = format!(
        "crossdock_entry_value{{segment=\"{name}\",entry=\"packed\",kind=\"Counter\",field=\"value\"}} 7"
    );
    let all = printed(&["metrics", "--all"]);
    assert!(all.lines().any(|line| line == value), "{value}: {all}");
    assert!(!printed(&["metrics"]).contains(&name));
    refused(&["metrics", "--all", &name]);
}

#[test]
fn what_is_seen_of_a_segment_has_names_and_labels() {
    let name = Name::new();
    let segment = options().create_new(&name.0).expect("created");
    let orders = segment.create::<WorkQueue<u32>>("orders", 8).expect("made");
    let news = segment.create::<Queue<u32>>("news", 4).expect("made");
    let total = "to\"tal \\ of\nall";
    segment.create::<Counter<i64>>(total, -5).expect("made");
    let limit = segment.create::<Semaphore>("limit", 3).expect("made");
    let event = segment.create::<Event>("event", false).expect("made");
    for order in [1, 2, 3] {
        orders.send(order).expect("sent");
    }
    let news = news.sender().expect("counted");
    news.send(1).expect("sent");
    event.set();
    let order = orders.recv().expect("an order");
    let permit = limit.acquire().expect("a permit");
    let text = printed(&["metrics", &name.0]);
    let seen = Samples::of(&text);
    let of = |entry, kind, more: &[(&'static str, &'static str)]| {
        let of = [
            ("segment", name.0.as_str()),
            ("entry", entry),
            ("kind", kind),
        ];
        [&of[..], more].concat()
    };
    let messages = "crossdock_queue_messages";
    for (family, labels, value) in [
        (
            messages,
            of("orders", "WorkQueue", &[("state", "waiting")]),
            2.0,
        ),
        (
            messages,
            of("orders", "WorkQueue", &[("state", "held")]),
            1.0,
        ),
        (
            messages,
            of("orders", "WorkQueue", &[("state", "dead")]),
            0.0,
        ),
        (messages, of("news", "Queue", &[("state", "waiting")]), 1.0),
        ("crossdock_queue_capacity", of("news", "Queue", &[]), 4.0),
        (
            "crossdock_queue_endpoints",
            of("news", "Queue", &[("side", "sender")]),
            1.0,
        ),
        (
            "crossdock_entry_value",
            of(total, "Counter", &[("field", "value")]),
            -5.0,
        ),
        (
            "crossdock_semaphore_permits",
            of("limit", "Semaphore", &[("state", "free")]),
            2.0,
        ),
        (
            "crossdock_semaphore_permits",
            of("limit", "Semaphore", &[("state", "held")]),
            1.0,
        ),
        (
            "crossdock_entry_flag",
            of("event", "Event", &[("field", "set")]),
            1.0,
        ),
        (
            "crossdock_entry_events_total",
            of("event", "Event", &[("field", "times set")]),
            1.0,
        ),
    ] {
        assert_eq!(seen.get(family, &labels), Some(value), "{labels:?}: {text}");
    }
    let size = seen.get("crossdock_segment_size_bytes", &[("segment", &name.0)]);
    assert_eq!(size, Some(65_536.0));
    // Those of all segments have these, too.
    let all = Samples::of(&printed(&["metrics"]));
    assert_eq!(
        all.count("segment", &name.0),
        seen.count("segment", &name.0)
    );
    drop((order, permit));
    segment.unlink().expect("removed");
}

#[test]
fn a_holder_and_the_participants_are_alive_or_dead() {
    let (name, holder) = held();
    let keeps = options().open(&name.0).expect("there");
    let is_held = |seen: &Samples, state| {
        let labels = [
            ("segment", name.0.as_str()),
            ("entry", "stock"),
            ("kind", "Mutex"),
            ("field", "holder"),
            ("state", state),
        ];
        seen.get("crossdock_entry_held", &labels)
    };
    let participants = |seen: &Samples, state| {
        let labels = [("segment", name.0.as_str()), ("state", state)];
        seen.get("crossdock_participants", &labels)
    };
    let seen = Samples::of(&printed(&["metrics", &name.0]));
    assert_eq!(
        (is_held(&seen, "alive"), is_held(&seen, "dead")),
        (Some(1.0), Some(0.0))
    );
    assert_eq!(participants(&seen, "dead"), Some(0.0));
    holder.kill().expect("killed");
    holder.join().expect_err("killed");
    let seen = Samples::of(&printed(&["metrics", &name.0]));
    assert_eq!(
        (is_held(&seen, "alive"), is_held(&seen, "dead")),
        (Some(0.0), Some(1.0))
    );
    assert_eq!(participants(&seen, "dead"), Some(1.0));
    drop(keeps);
}

#[test]
fn a_segment_that_is_not_there_is_not_readable() {
    let name = Name::new();
    let readable = |name: &Name| {
        let seen = Samples::of(&printed(&["metrics", &name.0]));
        seen.get("crossdock_segment_readable", &[("segment", &name.0)])
    };
    assert_eq!(readable(&name), Some(0.0));
    fs::write(name.path(), "no segment").expect("written");
    assert_eq!(readable(&name), Some(0.0));
}

#[test]
fn a_file_is_replaced_and_nothing_else_is_left() {
    let (name, holder) = held();
    let dir = std::env::temp_dir().join(format!("{}-prom", name.0));
    fs::create_dir(&dir).expect("a directory");
    let path = dir.join("crossdock.prom");
    fs::write(&path, "old").expect("written");
    let file = path.to_str().expect("UTF-8");
    assert_eq!(printed(&["metrics", &name.0, "--textfile", file]), "");
    let seen = Samples::of(&fs::read_to_string(&path).expect("there"));
    let of = [("segment", name.0.as_str())];
    assert_eq!(seen.get("crossdock_segment_readable", &of), Some(1.0));
    // What cannot be replaced stays, without a file beside it.
    let no_file = dir.join("full");
    fs::create_dir_all(no_file.join("x")).expect("a directory");
    for refused in [dir.join("absent/a.prom"), no_file] {
        let output = crossdock(&["metrics", "--textfile", refused.to_str().expect("UTF-8")]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    assert_eq!(fs::read_dir(&dir).expect("there").count(), 2);
    fs::remove_dir_all(&dir).expect("removed");
    holder.kill().expect("killed");
}

/// The command, answering at an address; it is killed when this is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn new(name: &Name) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crossdock"))
            .args(["metrics", &name.0, "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let out = child.stdout.take().expect("a pipe");
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("http://").expect("an address");
        let address = address.strip_suffix("/metrics").expect("a path");
        Self {
            child,
            address: address.parse().expect("an address"),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("it listens");
        let longest = Some(Duration::from_secs(60));
        stream.set_read_timeout(longest).expect("set");
        stream.set_write_timeout(longest).expect("set");
        stream
    }

    /// The head and the body of an answer.
    fn answer(&self, request: &str) -> (String, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("received");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _may_have_ended = self.child.kill();
        let _status = self.child.wait();
    }
}

#[test]
fn requests_are_answered_one_after_the_other_until_sigterm() {
    let (name, holder) = held();
    let mut server = Server::new(&name);
    // Clients that send nothing, too much, or nothing of sense, hold up the others for a bounded
    // time.
    let silent = server.connect();
    let mut long = server.connect();
    let _may_be_cut_off = long.write_all(&[b'x'; 20_000]);
    drop(server.connect());
    let get = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for _ in 0..2 {
        let (head, body) = server.answer(get);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())));
        let of = [("segment", name.0.as_str())];
        let readable = Samples::of(&body).get("crossdock_segment_readable", &of);
        assert_eq!(readable, Some(1.0), "{body}");
    }
    for (request, status) in [
        ("GET /x HTTP/1.1\r\n\r\n", "404"),
        ("PUT /metrics HTTP/1.1\r\n\r\n", "405"),
        ("\r\n\r\n", "400"),
    ] {
        let (head, body) = server.answer(request);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert_eq!(body, "");
    }
    drop((silent, long));
    let pid = Pid::from_raw(server.child.id().cast_signed());
    kill(pid, Signal::SIGTERM).expect("it is there");
    let watchdog = Instant::now() + Duration::from_secs(60);
    let ended = loop {
        if let Some(status) = server.child.try_wait().expect("its status") {
            break status;
        }
        assert!(Instant::now() < watchdog, "it does not end");
        std::thread::yield_now();
    };
    assert_eq!(ended.signal(), Some(Signal::SIGTERM as i32));
    holder.kill().expect("killed");
}

#[test]
fn other_machines_are_refused() {
    for address in [
        "0.0.0.0:9469",
        "[::]:9469",
        "192.0.2.1:9469",
        "9469",
        "localhost",
    ] {
        refused(&["metrics", "--listen", address]);
    }
    refused(&["metrics", "--listen", "127.0.0.1:0", "--textfile", "x"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = crossdock(&["metrics", "--listen", &address]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
