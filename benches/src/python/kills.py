"""A process is killed while it works under the lock of a multiprocessing.Value; who goes on?

Arguments: the parent's process id, how many trials, the milliseconds after which a survivor that
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


def worker(index, parent, inside, outside, stop, done, holds, number, mirror):
    die_with(parent)
    while not stop.value:
        with number.get_lock():
            holds[index] = 1
            number.value += 1
            work(inside)
            mirror.value += 1
            holds[index] = 0
        done[index] += 1
        work(outside)


def trial(context, patience, inside, outside, most):
    number, mirror = context.Value("q", 0), context.RawValue("q", 0)
    stop = context.RawValue("i", 0)
    done, holds = context.RawArray("q", WORKERS), context.RawArray("i", WORKERS)
    shared = (stop, done, holds, number, mirror)
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
        if went_on:
            for process in workers[1:]:
                process.join(60)
    finally:
        for process in workers:
            process.kill()
            process.join(60)
    found = number.get_obj().value  # not `number.value`, which would wait for the dead owner too
    exact = found == mirror.value and 0 <= found - sum(done) <= 1
    return {
        "held": holds[VICTIM] == 1,
        "stuck": not went_on,
        "told": False,
        "wrong": went_on and not exact,
    }


def main():
    numbers = [int(argument) for argument in sys.argv[1:]]
    parent, trials, millis, victim_in, victim_out, in_, out, most = numbers
    die_with(parent)
    context = multiprocessing.get_context("fork")
    for _ in range(trials):
        found = trial(context, millis / 1e3, (victim_in, in_), (victim_out, out), most)
        print(json.dumps(found), flush=True)


main()
