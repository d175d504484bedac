//! One run of round trips: its driver, and its two ends.

use std::time::Instant;

use crossdock::process;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pause::Pause;
use super::throughput::send_one;
use super::{Contestant, Idle, Item, PATIENCE, Receiver, Sender, Setting, Shape, Trips};
use crossdock_cli::Failure;
use crossdock_cli::floor::{Floor, Phase, Post};
use crossdock_cli::times::Times;
use crossdock_cli::worker::{self, Workers, die_with, message};

/// The end that begins, and the one that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Role {
    Ask,
    Answer,
}

#[derive(Clone, Serialize, Deserialize)]
struct Task {
    post: Post,
    role: Role,
    idle: Idle,
}

/// The queue of questions, and that of answers.
type Both<H> = (H, H);

#[derive(Clone, Serialize, Deserialize)]
struct Order<H> {
    queues: Both<H>,
    task: Task,
    /// The process that waits for the result.
    driver: u32,
}

/// Measures a kind whose workers are processes.
pub(super) fn processes<C: Contestant, const W: usize>(setting: &Setting) -> Result<Trips, Failure>
where
    C::Handle<W>: Serialize + DeserializeOwned,
{
    let queues = both::<C, W>(setting.shape)?;
    let floor = Floor::new(2, setting.pin)?;
    let mut workers = Workers::new();
    for task in tasks(&floor, setting) {
        let order = Order {
            queues: queues.clone(),
            task,
            driver: std::process::id(),
        };
        workers.add(process::spawn(work::<C, W>, order)?);
    }
    floor.measure(&mut workers, setting.time)?;
    Ok(trips(workers.join_within(PATIENCE)?))
}

/// Measures a kind whose workers are threads: in a process of their own, too.
pub(super) fn threads<C: Contestant, const W: usize>(setting: &Setting) -> Result<Trips, Failure>
where
    C::Handle<W>: Send + Sync,
{
    let floor = Floor::new(2, setting.pin)?;
    let mut workers = Workers::new();
    let order = (setting.shape, tasks(&floor, setting), std::process::id());
    workers.add(process::spawn(host::<C, W>, order)?);
    floor.measure(&mut workers, setting.time)?;
    Ok(trips(workers.join_within(PATIENCE)?.concat()))
}

fn both<C: Contestant, const W: usize>(shape: Shape) -> Result<Both<C::Handle<W>>, Failure> {
    Ok((C::create(shape)?, C::create(shape)?))
}

fn tasks(floor: &Floor, setting: &Setting) -> Vec<Task> {
    let task = |(post, role): (&Post, Role)| Task {
        post: post.clone(),
        role,
        idle: setting.shape.idle,
    };
    let roles = [Role::Ask, Role::Answer];
    floor.posts().iter().zip(roles).map(task).collect()
}

fn trips(all: Vec<Times>) -> Trips {
    let mut times = Times::default();
    for some in &all {
        times.add(some);
    }
    Trips { times }
}

/// Runs in a process of its own.
fn work<C: Contestant, const W: usize>(order: Order<C::Handle<W>>) -> Result<Times, String> {
    die_with(order.driver)?;
    play::<C, W>(&order.queues, &order.task)
}

/// Runs in a process of its own: both as threads.
fn host<C: Contestant, const W: usize>(
    (shape, tasks, driver): (Shape, Vec<Task>, u32),
) -> Result<Vec<Times>, String>
where
    C::Handle<W>: Send + Sync,
{
    die_with(driver)?;
    let queues = both::<C, W>(shape).map_err(message)?;
    worker::threads(tasks, move |task: Task| play::<C, W>(&queues, &task))
}

fn play<C: Contestant, const W: usize>(
    (questions, answers): &Both<C::Handle<W>>,
    task: &Task,
) -> Result<Times, String> {
    let (from, to) = match task.role {
        Role::Ask => (answers, questions),
        Role::Answer => (questions, answers),
    };
    let receiver = C::receiver(from, task.idle).map_err(message)?;
    let sender = C::sender(to, task.idle).map_err(message)?;
    task.post.begin()?;
    let played = match task.role {
        Role::Ask => ask(task, sender, receiver),
        Role::Answer => answer(task, sender, receiver),
    };
    played.map_err(message)
}

/// What ends the game.
const END: u64 = u64::MAX;

fn ask<const W: usize>(
    task: &Task,
    mut sender: impl Sender<W>,
    mut receiver: impl Receiver<W>,
) -> Result<Times, Failure> {
    let mut times = Times::default();
    let (mut number, mut measured) = (0, 0);
    let mut phase = task.post.phase();
    let mut before = Instant::now();
    while phase != Phase::STOP {
        send_one(&mut sender, &[number; W], task.idle)?;
        let found = recv_one(&mut receiver, task.idle)?[W - 1];
        if found != number {
            let message = format!("{number} came back as {found}");
            return Err(Failure::Worker(message));
        }
        let now = Instant::now();
        let next = task.post.phase();
        // Whatever reaches into the time that is measured: the longest are not to be left out.
        if phase == Phase::MEASURE || next == Phase::MEASURE {
            times.record(now - before);
            measured += 1;
            task.post.publish(measured);
        }
        (phase, before, number) = (next, now, number + 1);
    }
    send_one(&mut sender, &[END; W], task.idle)?;
    Ok(times)
}

fn answer<const W: usize>(
    task: &Task,
    mut sender: impl Sender<W>,
    mut receiver: impl Receiver<W>,
) -> Result<Times, Failure> {
    loop {
        let item = recv_one(&mut receiver, task.idle)?;
        if item[0] == END {
            return Ok(Times::default());
        }
        send_one(&mut sender, &item, task.idle)?;
    }
}

/// Receives an item, idling as is said.
#[inline(always)]
fn recv_one<const W: usize>(
    receiver: &mut impl Receiver<W>,
    idle: Idle,
) -> Result<Item<W>, Failure> {
    match idle {
        Idle::Park => receiver.recv(),
        Idle::Spin => {
            let mut pause = Pause::default();
            loop {
                if let Some(item) = receiver.try_recv()? {
                    return Ok(item);
                }
                pause.wait();
            }
        }
    }
}
