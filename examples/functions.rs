//! The functions that Python's multiprocessing gives its users, each by its name here, with what it
//! must do.

use std::time::Duration;

use crossdock::process::{self, Builder, JoinTimeoutError};
use crossdock::queue::{Queue, Receiver, TryRecvError, WorkQueue, channel, pair};

/// Runs until its sender has gone.
fn idle(until: Receiver<()>) {
    let _ = until.recv();
}

/// Returns the names of this process and of its parent.
fn family(_: ()) -> (String, Option<String>) {
    let parent = process::parent();
    assert!(parent.is_some_and(|parent| parent.is_alive()));
    let parent = parent.map(|parent| parent.name().to_owned());
    (process::current().name().to_owned(), parent)
}

fn processes() -> Result<(), Box<dyn std::error::Error>> {
    // cpu_count
    assert!(process::available_parallelism() >= 1);
    // current_process, parent_process
    let named = Builder::new().name("child").spawn(family, ())?.join()?;
    assert_eq!(named, ("child".to_owned(), Some("MainProcess".to_owned())));
    assert!(process::parent().is_none());

    let (sender, receiver) = channel::<()>(1)?;
    // daemon
    let mut worker = Builder::new().daemon(true).spawn(idle, receiver.clone())?;
    // is_alive, active_children
    assert!(worker.is_alive());
    assert_eq!(process::active_children().len(), 1);
    // join(timeout), exitcode
    let soon = Duration::from_millis(10);
    assert_eq!(worker.join_timeout(soon), Err(JoinTimeoutError::Timeout));
    assert_eq!(worker.exit_code()?, None);
    // terminate
    worker.terminate()?;
    worker.wait()?;
    assert_eq!(worker.exit_code()?, Some(-15));
    assert!(!worker.is_alive());
    // kill
    let mut worker = process::spawn(idle, receiver)?;
    worker.kill()?;
    worker.wait()?;
    assert_eq!(worker.exit_code()?, Some(-9));
    // start, run and join without a timeout
    let (another, receiver) = channel::<()>(1)?;
    let worker = process::spawn(idle, receiver)?;
    drop(another);
    worker.join()?;
    drop(sender);
    assert!(process::active_children().is_empty());
    Ok(())
}

fn queues() -> Result<(), Box<dyn std::error::Error>> {
    let (sender, receiver) = pair::<Queue<u32>>(2)?;
    // empty, get_nowait
    assert!(receiver.is_empty());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    // put, qsize, full
    sender.send(1)?;
    sender.send(2)?;
    assert_eq!(receiver.len(), 2);
    assert!(sender.is_full());
    // get
    assert_eq!(receiver.recv()?, 1);
    // close; join_thread has nothing to do here, for no thread feeds the queue
    receiver.close();
    assert!(sender.send(3).is_err());
    assert_eq!(receiver.recv()?, 2);

    // task_done and join of a JoinableQueue
    let (sender, receiver) = pair::<WorkQueue<u32>>(2)?;
    sender.send(1)?;
    let task = receiver.recv()?;
    task.ack()?;
    sender.wait_idle()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::init(); // spawned processes begin, and end, here
    processes()?;
    queues()?;
    println!("All functions did what they must.");
    Ok(())
}
