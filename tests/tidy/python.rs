//! The page for users of Python: every name of `multiprocessing` has a row.

use std::collections::BTreeSet;

use crate::read;

/// What `multiprocessing`, its modules `shared_memory`, `connection` and `managers`, and
/// `concurrent.futures` give their users, in the order of Python's documentation.
const NAMES: &str = "
    Process target args name daemon start run join is_alive pid exitcode sentinel terminate kill
    interrupt close ProcessError AuthenticationError TimeoutError
    Pipe duplex Queue maxsize put get put_nowait get_nowait qsize empty full join_thread
    cancel_join_thread SimpleQueue JoinableQueue task_done
    active_children cpu_count process_cpu_count current_process parent_process freeze_support
    set_start_method get_start_method get_context spawn fork forkserver set_forkserver_preload
    set_executable
    send recv fileno poll send_bytes recv_bytes recv_bytes_into EOFError
    Lock acquire block timeout release RLock Semaphore BoundedSemaphore Condition wait wait_for
    notify notify_all Event set clear is_set Barrier parties n_waiting abort reset broken
    Value value get_lock Array RawArray RawValue sharedctypes
    SharedMemory create size buf unlink SharedMemoryManager ShareableList
    Manager SyncManager shutdown list dict Namespace BaseManager register connect get_server
    append extend pop insert sort len in del setdefault keys items
    Pool processes initializer initargs maxtasksperchild apply apply_async map map_async starmap
    starmap_async imap imap_unordered chunksize AsyncResult ready successful callback
    error_callback
    Listener accept Client authkey deliver_challenge
    log_to_stderr get_logger ThreadPool dummy
    ProcessPoolExecutor max_workers max_tasks_per_child submit cancel_futures Future result done
    cancel exception add_done_callback as_completed BrokenProcessPool
";

const PAGE: &str = "docs/from-python.md";

/// The names in code spans of the first column of all tables.
fn rows(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let columns = rows.filter_map(|row| row.split(" | ").next());
    let spans = columns.flat_map(|column| column.split('`').skip(1).step_by(2));
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    spans
        .flat_map(|span| span.split(move |c| !is_part(c)))
        .collect()
}

/// Rule: every name has a row.
fn missing<'n>(names: &'n str, page: &str) -> Vec<&'n str> {
    let rows = rows(page);
    let names = names.split_whitespace();
    names.filter(|name| !rows.contains(name)).collect()
}

#[test]
fn every_name_of_python_has_a_row() {
    let page = read(PAGE);
    let missing = missing(NAMES, &page);
    assert!(missing.is_empty(), "{PAGE} has no row of {missing:?}");
}

#[test]
fn a_name_without_a_row_is_found() {
    let page = "
| Python | crossdock | what is other |
|---|---|---|
| `Queue(maxsize)`, put | `send` | `recv` |
";
    assert_eq!(missing("Queue maxsize", page), [""; 0]);
    let names = missing("put send recv multiprocessing Queu", page);
    assert_eq!(names, ["put", "send", "recv", "multiprocessing", "Queu"]);
}
