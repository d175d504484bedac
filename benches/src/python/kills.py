"""A process is killed while it works under a lock, or waits for others; who goes on?

Arguments: the parent's process id, the number of what is tried (`TRIED`), how many trials, the milliseconds after which a survivor that
made no progress is stuck, and microseconds: of the victim's work under the lock and outside, of a
survivor's under the lock and outside, and the most that the kill is delayed. A JSON object for each
trial on standard output.
"""

import json
import multiprocessing
import os
import random
import sys
import time

SURVIVORS = 2
WORKERS = 1 + SURVIVORS
VICTIM = 0
PROGRESS = 3


def work(micros):
    end = time.perf_counter_ns() + micros * 1000
    while time.perf_counter_ns() < end:
        pass


# The process that notifies those that wait.
NOTIFIER = 1


class Mutual:
    """What is held while one changes two numbers."""

    def __init__(self, context, make):
        self.number, self.mirror = context.RawValue("q", 0), context.RawValue("q", 0)
        self.lock = make(context)

    def step(self, index, inside, holds):
        with self.lock:
            holds[index] = 1
            self.number.value += 1
            work(inside)
            self.mirror.value += 1
            holds[index] = 0

    def is_exact(self, steps):
        number = self.number.value
        return number == self.mirror.value and 0 <= number - steps <= 1


class Meeting:
    """What processes wait for; they change nothing."""

    def __init__(self, context, make):
        self.met = make(context)

    def step(self, index, inside, holds):
        holds[index] = 1
        self.meet(index)
        holds[index] = 0

    def is_exact(self, steps):
        return True


class Condition(Meeting):
    def meet(self, index):
        with self.met:
            self.met.notify_all() if index == NOTIFIER else self.met.wait()


class Event(Meeting):
    def meet(self, index):
        if index == NOTIFIER:
            self.met.set()
            self.met.clear()
        else:
            self.met.wait()


class Barrier(Meeting):
    def meet(self, index):
        self.met.wait()


TRIED = [
    (Mutual, lambda context: context.Value("q", 0).get_lock()),
    (Mutual, lambda context: context.RLock()),
    (Mutual, lambda context: context.Semaphore(1)),
    (Condition, lambda context: context.Condition()),
    (Event, lambda context: context.Event()),
    (Barrier, lambda context: context.Barrier(WORKERS)),
]


def worker(index, parent, inside, outside, stop, done, holds, tried):
    die_with(parent)
    while not stop.value:
        tried.step(index, inside, holds)
        done[index] += 1
        work(outside)


def trial(context, which, patience, inside, outside, most):
    kind, make = TRIED[which]
    tried = kind(context, make)
    stop = context.RawValue("i", 0)
    done, holds = context.RawArray("q", WORKERS), context.RawArray("i", WORKERS)
    shared = (stop, done, holds, tried)
    workers = [
        context.Process(
            target=worker,
            args=(i, os.getpid(), inside[i != VICTIM], outside[i != VICTIM], *shared),
            daemon=True,
        )
        for i in range(WORKERS)
    ]
    for process in workers:
        process.start()
    try:
        if not within(60, lambda: all(count >= PROGRESS for count in done)):
            sys.exit("the workers did not begin")
        time.sleep(random.uniform(0, most) / 1e6)
        workers[VICTIM].kill()
        workers[VICTIM].join(60)
        before = list(done)
        went_on = within(
            patience,
            lambda: all(done[i] >= before[i] + PROGRESS for i in range(WORKERS) if i != VICTIM),
        )
        stop.value = 1
        if went_on and kind is Mutual:
            for process in workers[1:]:
                process.join(60)
    finally:
        for process in workers:
            process.kill()
            process.join(60)
    return {
        "held": holds[VICTIM] == 1,
        "stuck": not went_on,
        "told": False,
        "wrong": went_on and not tried.is_exact(sum(done)),
    }


def main():
    numbers = [int(argument) for argument in sys.argv[1:]]
    parent, which, trials, millis, victim_in, victim_out, in_, out, most = numbers
    die_with(parent)
    context = multiprocessing.get_context("fork")
    for _ in range(trials):
        found = trial(context, which, millis / 1e3, (victim_in, in_), (victim_out, out), most)
        print(json.dumps(found), flush=True)


main()
