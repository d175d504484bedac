//! One run of throughput: its driver and its workers.

use std::hint::black_box;

use crossdock::{Counter, Segment, process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pause::Pause;
use super::{Contestant, Idle, Item, PATIENCE, Receiver, Sample, Sender, Setting, Shape};
use crossdock_cli::Failure;
use crossdock_cli::floor::{Floor, Phase, Post};
use crossdock_cli::worker::{self, Workers, die_with, message};

/// What a worker does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Role {
    /// It sends, and is the producer of this number.
    Send(u16),
    /// It receives.
    Receive,
}

/// What a worker is told, whatever it sends through.
#[derive(Clone, Serialize, Deserialize)]
struct Task {
    post: Post,
    role: Role,
    producers: u16,
    consumers: u16,
    idle: Idle,
    /// How many items are sent and received at once, at most.
    batch: u32,
    /// How many [`END`]s were received by all.
    ends: Counter,
}

#[derive(Clone, Serialize, Deserialize)]
struct Order<H> {
    handle: H,
    task: Task,
    /// The process that waits for the result.
    driver: u32,
}

/// What a worker has done, from the beginning to the end.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Done {
    sent: u64,
    received: u64,
    wrong: u64,
}

/// Measures a kind whose workers are processes.
pub(super) fn processes<C: Contestant, const W: usize>(setting: &Setting) -> Result<Sample, Failure>
where
    C::Handle<W>: Serialize + DeserializeOwned,
{
    let handle = C::create::<W>(setting.shape)?;
    let floor = Floor::new(setting.shape.workers(), setting.pin)?;
    let mut workers = Workers::new();
    for task in tasks(&floor, setting)? {
        let order = Order {
            handle: handle.clone(),
            task,
            driver: std::process::id(),
        };
        workers.add(process::spawn(work::<C, W>, order)?);
    }
    let measured = floor.measure(&mut workers, setting.time)?;
    Ok(sample(setting, measured, &workers.join_within(PATIENCE)?))
}

/// Measures a kind whose workers are threads: in a process of their own, too.
pub(super) fn threads<C: Contestant, const W: usize>(setting: &Setting) -> Result<Sample, Failure>
where
    C::Handle<W>: Send + Sync,
{
    let floor = Floor::new(setting.shape.workers(), setting.pin)?;
    let mut workers = Workers::new();
    let order = (setting.shape, tasks(&floor, setting)?, std::process::id());
    workers.add(process::spawn(host::<C, W>, order)?);
    let measured = floor.measure(&mut workers, setting.time)?;
    Ok(sample(
        setting,
        measured,
        &workers.join_within(PATIENCE)?.concat(),
    ))
}

fn tasks(floor: &Floor, setting: &Setting) -> Result<Vec<Task>, Failure> {
    let ends: Counter = Segment::anonymous()?.create("ends", 0)?;
    let Shape {
        producers,
        consumers,
        idle,
        ..
    } = setting.shape;
    let number = |count| u16::try_from(count).map_err(|_| Failure::Worker(format!("{count} ends")));
    let (producers, consumers) = (number(producers)?, number(consumers)?);
    let roles = (0..producers)
        .map(Role::Send)
        .chain((0..consumers).map(|_| Role::Receive));
    let task = |(post, role): (&Post, Role)| Task {
        post: post.clone(),
        role,
        producers,
        consumers,
        idle,
        batch: setting.batch,
        ends: ends.clone(),
    };
    Ok(floor.posts().iter().zip(roles).map(task).collect())
}

fn sample(
    setting: &Setting,
    (counts, elapsed): (Vec<u64>, std::time::Duration),
    done: &[Done],
) -> Sample {
    let sum = |of: fn(&Done) -> u64| done.iter().map(of).sum();
    Sample {
        // Producers come first.
        items: counts[setting.shape.producers as usize..].to_vec(),
        elapsed,
        sent: sum(|done| done.sent),
        received: sum(|done| done.received),
        wrong: sum(|done| done.wrong),
    }
}

/// Runs in a process of its own.
fn work<C: Contestant, const W: usize>(order: Order<C::Handle<W>>) -> Result<Done, String> {
    die_with(order.driver)?;
    take_part::<C, W>(&order.handle, &order.task)
}

/// Runs in a process of its own: all workers as threads.
fn host<C: Contestant, const W: usize>(
    (shape, tasks, driver): (Shape, Vec<Task>, u32),
) -> Result<Vec<Done>, String>
where
    C::Handle<W>: Send + Sync,
{
    die_with(driver)?;
    let handle = C::create::<W>(shape).map_err(message)?;
    let run = move |task: Task| take_part::<C, W>(&handle, &task);
    worker::threads(tasks, run)
}

fn take_part<C: Contestant, const W: usize>(
    handle: &C::Handle<W>,
    task: &Task,
) -> Result<Done, String> {
    let done = match task.role {
        Role::Send(number) => {
            let sender = C::sender(handle, task.idle).map_err(message)?;
            task.post.begin()?;
            send(task, number, sender)
        }
        Role::Receive => {
            let receiver = C::receiver(handle, task.idle).map_err(message)?;
            task.post.begin()?;
            receive(task, receiver)
        }
    };
    done.map_err(message)
}

/// How many items are sent between two looks at the phase, and received between two stores of the
/// count, at least: they would be part of what is measured.
const STRIDE: u64 = 32;
/// Where the number of its producer stands in an item's words; its place in the sequence is below.
const NUMBER: u32 = 48;
/// What each producer sends last, once for each consumer. As many as there are producers end a
/// consumer: what is in the queue is received by then, if its order holds.
const END: u64 = u64::MAX;

/// Marks an item in its first word and its last, so that one of two halves can be told.
#[inline(always)]
fn mark<const W: usize>(item: &mut Item<W>, word: u64) {
    item[0] = word;
    item[W - 1] = word;
}

fn send<S: Sender<W>, const W: usize>(
    task: &Task,
    number: u16,
    mut sender: S,
) -> Result<Done, Failure> {
    let first = u64::from(number) << NUMBER;
    let mut item = [0; W];
    let mut sent = 0;
    let mut items = vec![[0; W]; task.batch as usize];
    loop {
        if task.batch > 1 {
            for (next, item) in (first + sent..).zip(&mut items) {
                mark(item, next);
            }
            send_all(&mut sender, &items)?;
            sent += items.len() as u64;
        } else {
            for _ in 0..STRIDE {
                mark(&mut item, first + sent);
                send_one(&mut sender, &item, task.idle)?;
                sent += 1;
            }
        }
        if task.post.phase() == Phase::STOP {
            break;
        }
    }
    mark(&mut item, END);
    for _ in 0..task.consumers {
        send_one(&mut sender, &item, task.idle)?;
    }
    Ok(Done {
        sent,
        ..Done::default()
    })
}

/// Sends an item, idling as is said.
#[inline(always)]
pub(super) fn send_one<const W: usize>(
    sender: &mut impl Sender<W>,
    item: &Item<W>,
    idle: Idle,
) -> Result<(), Failure> {
    match idle {
        Idle::Park => sender.send(item),
        Idle::Spin => {
            let mut pause = Pause::default();
            while !sender.try_send(item)? {
                pause.wait();
            }
            Ok(())
        }
    }
}

#[inline(always)]
fn send_all<const W: usize>(
    sender: &mut impl Sender<W>,
    mut items: &[Item<W>],
) -> Result<(), Failure> {
    let mut pause = Pause::default();
    while !items.is_empty() {
        match sender.try_send_some(items)? {
            0 => drop(pause.wait()),
            count => {
                items = &items[count..];
                pause.over();
            }
        }
    }
    Ok(())
}

fn receive<R: Receiver<W>, const W: usize>(task: &Task, mut receiver: R) -> Result<Done, Failure> {
    let mut inbox = Inbox::new(task.producers, task.consumers == 1);
    let mut pause = Pause::default();
    let mut items = vec![[0; W]; task.batch as usize];
    let all = u64::from(task.producers) * u64::from(task.consumers);
    while inbox.ends < u64::from(task.producers) {
        let count = match (task.idle, task.batch) {
            (Idle::Park, _) => {
                inbox.take(&receiver.recv()?, task);
                1
            }
            (Idle::Spin, 1) => match receiver.try_recv()? {
                Some(item) => {
                    inbox.take(&item, task);
                    1
                }
                None => 0,
            },
            (Idle::Spin, _) => {
                let count = receiver.try_recv_some(&mut items)?;
                for item in &items[..count] {
                    inbox.take(item, task);
                }
                count
            }
        };
        if count > 0 {
            pause.over();
        } else if pause.wait() && task.ends.load() == all {
            break;
        }
    }
    task.post.publish(inbox.received);
    Ok(Done {
        sent: 0,
        received: inbox.received,
        wrong: inbox.wrong,
    })
}

/// What a consumer has received, and what it expects.
struct Inbox {
    /// For each producer, the least place in its sequence that may be next.
    next: Vec<u64>,
    /// Whether no other may be next.
    exact: bool,
    received: u64,
    wrong: u64,
    ends: u64,
}

impl Inbox {
    fn new(producers: u16, exact: bool) -> Self {
        Self {
            next: vec![0; usize::from(producers)],
            exact,
            received: 0,
            wrong: 0,
            ends: 0,
        }
    }

    #[inline(always)]
    fn take<const W: usize>(&mut self, item: &Item<W>, task: &Task) {
        // All of it: what is not looked at would not be copied.
        let item = black_box(item);
        let (word, last) = (item[0], item[W - 1]);
        if word == END {
            self.ends += 1;
            task.ends.add(1);
            return;
        }
        self.check(word, last);
        self.received += 1;
        if self.received.is_multiple_of(STRIDE) {
            task.post.publish(self.received);
        }
    }

    #[inline(always)]
    fn check(&mut self, word: u64, last: u64) {
        let number = (word >> NUMBER) as usize;
        let place = word & ((1 << NUMBER) - 1);
        let Some(next) = self.next.get_mut(number) else {
            self.wrong += 1;
            return;
        };
        let right = if self.exact {
            place == *next
        } else {
            place >= *next
        };
        self.wrong += u64::from(!right || word != last);
        *next = place + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(exact: bool, words: &[(u64, u64)]) -> u64 {
        let mut inbox = Inbox::new(2, exact);
        for (word, last) in words {
            inbox.check(*word, *last);
        }
        inbox.wrong
    }

    #[test]
    fn an_only_consumer_expects_every_item_of_a_producer() {
        let other = 1 << NUMBER;
        assert_eq!(wrong(true, &[(0, 0), (other, other), (1, 1), (2, 2)]), 0);
        assert_eq!(wrong(true, &[(0, 0), (2, 2), (3, 3)]), 1);
        assert_eq!(wrong(true, &[(0, 0), (0, 0)]), 1);
    }

    #[test]
    fn one_of_several_expects_them_in_order() {
        assert_eq!(wrong(false, &[(3, 3), (7, 7)]), 0);
        assert_eq!(wrong(false, &[(7, 7), (3, 3), (4, 4)]), 1);
        assert_eq!(wrong(false, &[(7, 7), (7, 7)]), 1);
    }

    #[test]
    fn an_item_of_two_halves_or_of_nobody_is_wrong() {
        assert_eq!(wrong(false, &[(3, 4)]), 1);
        assert_eq!(wrong(false, &[(2 << NUMBER, 2 << NUMBER)]), 1);
    }
}
