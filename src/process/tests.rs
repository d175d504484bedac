//! Tests of handles, and of jobs that no parent writes.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::handles::{HandlePlace, deserialize_handle, serialize_handle};
use super::job::Job;
use super::own::Lineage;
use super::{Builder, StartMethod};
use super::{JoinError, Process, SpawnError, handles, init, init_test, spawn, spawned, worker};
use crate::segment::{Segment, SystemError};
use crate::sys::exe::{Code, Image};
use crate::sys::process::{NO_PROCESS, NOT_FOUND};
use crate::sys::socket::{FDS_PER_MESSAGE, receive_fds, send_fds};

#[test]
fn crossdock_worker() {
    init();
}

fn start<A, R>(function: fn(A) -> R, args: A) -> Process<R>
where
    A: Serialize + for<'de> Deserialize<'de>,
    R: Serialize + for<'de> Deserialize<'de>,
{
    init_test("process::tests::crossdock_worker");
    spawn(function, args).expect("spawned")
}

/// A handle of an entry, as those of the primitives are.
struct Handle(Segment, Option<u32>);

impl Handle {
    fn fresh(entry: Option<u32>) -> Self {
        Self(Segment::anonymous().expect("a segment"), entry)
    }

    fn file(&self) -> (u64, u64) {
        (self.0.id().device, self.0.id().inode)
    }
}

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = self.1.map_or(HandlePlace::Segment, HandlePlace::Entry);
        serialize_handle(&self.0, place, serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (segment, place) = deserialize_handle(deserializer)?;
        match place {
            HandlePlace::Segment => Ok(Self(segment, None)),
            HandlePlace::Entry(entry) => Ok(Self(segment, Some(entry))),
            HandlePlace::Object { .. } => unreachable!("none is sent"),
        }
    }
}

#[test]
fn a_handle_as_argument_names_the_same_segment_and_entry() {
    let handle = Handle::fresh(Some(7));
    let file = handle.file();
    let worker = start(|handle: Handle| (handle.file(), handle.1), handle);
    assert_eq!(worker.join().expect("joined"), (file, Some(7)));
}

#[test]
fn handles_of_one_segment_travel_as_one_descriptor() {
    let first = Handle::fresh(Some(1));
    let other = Handle::fresh(None);
    let second = Handle(first.0.clone(), Some(2));
    let sent = handles::encode_arguments(&(&first, &other, &second)).expect("encoded");
    let (bytes, segments) = (sent.bytes, sent.segments);
    assert_eq!(segments.len(), 2);
    let fds = segments
        .iter()
        .map(|s| s.as_fd().try_clone_to_owned().expect("a copy"))
        .collect();
    let back: (Handle, Handle, Handle) = handles::decode(&bytes, fds).expect("decoded");
    assert_eq!(back.0.file(), back.2.file());
    assert_eq!(back.0.file(), first.file());
    assert_eq!(back.1.file(), other.file());
    assert_eq!((back.0.1, back.1.1, back.2.1), (Some(1), None, Some(2)));
}

#[test]
fn a_handle_as_result_outlives_the_process_that_made_it() {
    let worker = start(
        |entry: u32| {
            let handle = Handle::fresh(Some(entry));
            (handle.file(), handle)
        },
        3,
    );
    let (file, handle) = worker.join().expect("joined");
    assert_eq!((handle.file(), handle.1), (file, Some(3)));
}

#[test]
fn a_handle_that_goes_there_and_back_is_the_same() {
    let handle = Handle::fresh(None);
    let file = handle.file();
    let worker = start(|handles: Vec<Handle>| handles, vec![handle]);
    let back = worker.join().expect("joined");
    assert_eq!(back[0].file(), file);
}

#[test]
fn more_descriptors_travel_than_fit_one_message() {
    let (here, there) = UnixStream::pair().expect("a pair");
    let handle = Handle::fresh(None);
    let fds = [handle.0.as_fd(); FDS_PER_MESSAGE + 20];
    let count = worker::send_all(here.as_fd(), &fds).expect("sent");
    assert_eq!(
        spawned::receive_all(there.as_fd(), count)
            .expect("received")
            .len(),
        fds.len()
    );
}

#[test]
fn a_handle_does_not_serialise_outside_of_a_spawn() {
    let error = serde_error(postcard::to_stdvec(&Handle::fresh(None)).map(drop));
    assert_eq!(error, postcard::Error::SerdeSerCustom);
    let error = serde_error(postcard::from_bytes::<Handle>(&[0, 0]).map(drop));
    assert_eq!(error, postcard::Error::SerdeDeCustom);
}

fn serde_error(result: Result<(), postcard::Error>) -> postcard::Error {
    result.expect_err("refused")
}

#[test]
fn a_handle_without_its_segment_says_so() {
    let bytes = handles::encode_result(&Handle::fresh(None))
        .expect("encoded")
        .bytes;
    let error = handles::decode::<Handle>(&bytes, Vec::new())
        .map(drop)
        .expect_err("refused");
    assert_eq!(
        error.to_string(),
        "a handle refers to segment 0, which was not passed with it"
    );
}

#[test]
fn a_refusal_in_mid_value_leaves_the_next_value_alone() {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }
    handles::encode_arguments(&(Handle::fresh(None), Refuses))
        .map(drop)
        .expect_err("refused");
    let segments = handles::encode_result(&Handle::fresh(None))
        .expect("encoded")
        .segments;
    assert_eq!(segments.len(), 1);
}

#[test]
fn processes_of_one_fork_server_draw_different_numbers() {
    init_test("process::tests::crossdock_worker");
    let fork = Builder::new().start(StartMethod::ForkServer);
    let draw = || {
        let worker = fork.spawn(|()| crate::sys::process::nonce().unwrap_or(0), ());
        worker.expect("started").join().expect("joined")
    };
    let (first, second) = (draw(), draw());
    assert!(first != second && first != 0 && second != 0);
}

fn job() -> Job {
    let code = Code::of_program();
    let function: fn() = init;
    let offset = code.offset(function as *const ()).expect("in the program");
    Job {
        nonce: 0,
        image: Image::current().expect("an image"),
        function: offset,
        trampoline: offset,
        result: -1,
        socket: -1,
        segments: Vec::new(),
        ends: Vec::new(),
        acknowledged: false,
        lineage: Lineage::default(),
        parent: None,
        serves: false,
        harness: None,
    }
}

#[test]
fn a_job_of_this_program_is_located() {
    let (address, _) = worker::locate(&job()).expect("located");
    let function: fn() = init;
    assert_eq!(address, function as *const ());
}

#[test]
fn a_job_of_another_program_is_refused() {
    let mut job = job();
    job.image.inode += 1;
    assert!(worker::locate(&job).is_err_and(|what| what.contains("is not its parent's")));
}

#[test]
fn an_offset_outside_of_the_code_is_refused() {
    for offset in [0, 1 << 40, u64::MAX] {
        let job = Job {
            function: offset,
            ..job()
        };
        assert!(worker::locate(&job).is_err_and(|what| what.contains("does not lie")));
    }
}

#[test]
fn descriptors_arrive_in_order_and_a_full_buffer_does_not_block() {
    let (here, there) = UnixStream::pair().expect("a pair");
    let first = Handle::fresh(None);
    let second = Handle::fresh(None);
    let mut sent = 0;
    let error = loop {
        match send_fds(
            here.as_fd(),
            &[first.0.as_fd(), second.0.as_fd(), first.0.as_fd()],
        ) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
    };
    assert!(error.raw_os_error().is_some(), "{error}");
    assert!(sent > 50, "{sent} messages");
    let fds = receive_fds(there.as_fd()).expect("received");
    let files: Vec<_> = fds
        .into_iter()
        .map(|fd| Handle(Segment::inherit(fd, None).expect("a segment"), None).file())
        .collect();
    assert_eq!(files, [first.file(), second.file(), first.file()]);
}

#[test]
fn errors_say_what_to_do() {
    assert!(
        SpawnError::NotInitialised
            .to_string()
            .contains("process::init()")
    );
    assert!(
        JoinError::NotStarted { code: 0 }
            .to_string()
            .contains("process::init()")
    );
    let refused = |what, number| {
        let error = std::io::Error::from_raw_os_error(number);
        SpawnError::System(SystemError::new(what, &error)).to_string()
    };
    let no_process = refused("cloning this process", NO_PROCESS);
    assert!(no_process.contains("RLIMIT_NPROC"), "{no_process}");
    let no_proc = refused(super::error::READING_START, NOT_FOUND);
    assert!(no_proc.ends_with("; mount /proc"), "{no_proc}");
    let other = refused("making a pipe", NOT_FOUND);
    assert!(!other.contains(';'), "{other}");
}
