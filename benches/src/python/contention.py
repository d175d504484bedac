"""Processes add to one multiprocessing.Value under its lock, as the Rust contestants do.

Arguments: the parent's process id, the number of processes, the nanoseconds to measure, and the
cores to pin them to in turn (none: not pinned). One JSON object on standard output.
"""

import json
import multiprocessing
import os
import sys
import time

BATCH = 32
LINE = 16  # words of 8 bytes: what a worker publishes shares no cache line with another's


def worker(index, core, parent, gate, stop, counts, value):
    die_with(parent)
    if core is not None:
        os.sched_setaffinity(0, [core])
    lock = value.get_lock
    done = 0
    gate.wait(60)
    while not stop.value:
        for _ in range(BATCH):
            with lock():
                value.value += 1
        done += BATCH
        counts[index * LINE] = done


def main():
    parent, processes, nanos, *cores = [int(argument) for argument in sys.argv[1:]]
    die_with(parent)
    seconds, cores = nanos / 1e9, cores or [None]
    context = multiprocessing.get_context("fork")
    value = context.Value("q", 0)
    stop = context.RawValue("i", 0)
    counts = context.RawArray("q", processes * LINE)
    gate = context.Barrier(processes + 1)
    shared = (os.getpid(), gate, stop, counts, value)
    workers = [
        context.Process(target=worker, args=(i, cores[i % len(cores)], *shared), daemon=True)
        for i in range(processes)
    ]
    for process in workers:
        process.start()
    gate.wait(60)
    time.sleep(seconds * 0.15)
    begun, before = time.perf_counter_ns(), list(counts[::LINE])
    time.sleep(seconds)
    ended, after = time.perf_counter_ns(), list(counts[::LINE])
    stop.value = 1
    for process in workers:
        process.join(60)
        if process.exitcode != 0:
            sys.exit(f"a worker ended with {process.exitcode}")
    print(
        json.dumps(
            {
                "ops": [late - early for early, late in zip(before, after)],
                "elapsed_ns": ended - begun,
                "expected": sum(counts[::LINE]),
                "found": value.value,
            }
        )
    )


main()
