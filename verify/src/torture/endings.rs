//! The end of a queue while a receiver is killed and others take what is left. No process comes
//! afterwards: what is left when all that live were told of the end is lost.

use std::time::{Duration, Instant};

use crossdock::SegmentOptions;
use crossdock::queue::{Queue, RecvError, TryRecvError, WorkQueue};
use nix::sys::signal::Signal;

use crate::process::{Child, End, Rig, forked, pause};
use crate::random::Random;

const ENDINGS: usize = 100;
/// How long those that live may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Within what one is stopped after the end.
const SOON: Duration = Duration::from_millis(1);
/// How long it is stopped before it is killed: others may be told of the end meanwhile.
const STOPPED: Duration = Duration::from_millis(3);
/// How long a thread has a message that ends with it.
const HELD: Duration = Duration::from_micros(200);

/// So large that many are stopped in the middle of a copy.
type Large = [u64; 1 << 17];
const ITEMS: u64 = 3;

/// What a receiver ends with.
const TOLD: u8 = 0;
const FAILED: u8 = 1;

/// Of queues: what is wrong.
pub(super) fn of_queues(random: &mut Random) -> Rig<Vec<String>> {
    let mut faults = Vec::new();
    for _ in 0..ENDINGS {
        let segment = SegmentOptions::new().size(8 << 20).anonymous()?;
        let queue = segment.create::<Queue<Large>>("queue", ITEMS)?;
        let receives = || loop {
            match queue.recv_boxed() {
                Ok(_) => {}
                Err(RecvError::Disconnected) => return TOLD,
                Err(_) => return FAILED,
            }
        };
        for item in 0..ITEMS {
            queue.send_with(|place| place.fill(item))?;
        }
        queue.close();
        // Each finds an item at once.
        let mut receivers = [forked(receives)?, forked(receives)?, forked(receives)?];
        kill_one(&mut receivers, random, &mut faults)?;
        match queue.try_recv_boxed() {
            Err(TryRecvError::Disconnected) => {}
            Ok(item) => faults.push(format!("item {} is left, and all were told", item[0])),
            Err(error) => faults.push(format!("after the end: {error}")),
        }
    }
    Ok(faults)
}

/// Of work queues, by several threads in each process, some of which end with a message in their
/// hands.
pub(super) fn of_work_queues(random: &mut Random) -> Rig<Vec<String>> {
    let mut faults = Vec::new();
    for _ in 0..ENDINGS {
        let segment = SegmentOptions::new().size(1 << 16).anonymous()?;
        let queue = segment.create::<WorkQueue<u64>>("work", 64)?;
        for item in 0..64 {
            queue.send(item)?;
        }
        queue.close();
        let thread = || {
            for delivery in queue.iter() {
                let Ok(delivery) = delivery else {
                    return false;
                };
                // As one that panics: fewer do so than there are threads.
                if delivery.attempt() == 1 && *delivery >= 62 {
                    spin(HELD);
                    return true;
                }
                if delivery.ack().is_err() {
                    return false;
                }
            }
            true
        };
        let works = || {
            let all = std::thread::scope(|scope| {
                let threads = [(); 3].map(|()| scope.spawn(thread));
                threads.into_iter().all(|one| one.join().unwrap_or(false))
            });
            if all { TOLD } else { FAILED }
        };
        let mut workers = [forked(works)?, forked(works)?];
        kill_one(&mut workers, random, &mut faults)?;
        if !queue.is_idle() {
            faults.push("a message is left, and all were told".into());
        }
    }
    Ok(faults)
}

fn spin(time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
}

/// Stops the first of them, soon, kills it, and waits until the others have ended.
fn kill_one(all: &mut [Child], random: &mut Random, faults: &mut Vec<String>) -> Rig {
    spin(random.time_below(SOON));
    all[0].signal(Signal::SIGSTOP)?;
    pause(STOPPED)?;
    all[0].kill()?;
    for one in &mut all[1..] {
        match one.end_within(PATIENCE)? {
            Some(End::Exited(TOLD)) => {}
            None => {
                faults.push("one is not told of the end".into());
                one.kill()?;
            }
            Some(other) => faults.push(format!("one that was to be told of the end: {other:?}")),
        }
    }
    Ok(())
}
