"""Processes pass bytes through multiprocessing.Queue, as the Rust contestants pass items.

Arguments: the parent's process id, the nanoseconds to measure, the bytes of an item, the queue's
size, the numbers of producers and consumers (0 and 0: two processes make round trips), and the cores
to pin them to in turn (none: not pinned). One JSON object on standard output.
"""

import json
import multiprocessing
import os
import sys
import time

BATCH = 32
LINE = 16  # words of 8 bytes: what a worker publishes shares no cache line with another's
GATHER, WARM_UP, MEASURE, STOP = range(4)


def begin(parent, core, index, ready, phase):
    die_with(parent)
    if core is not None:
        os.sched_setaffinity(0, [core])
    ready[index] = 1
    while phase.value == GATHER:
        time.sleep(0)


def item(number, place, size):
    return number.to_bytes(2, "little") + place.to_bytes(6, "little") + bytes(size - 8)


def producer(number, size, items, counts, index, phase):
    sent = 0
    while phase.value != STOP:
        for _ in range(BATCH):
            items.put(item(number, sent, size))
            sent += 1
    counts[index * LINE] = sent


def consumer(producers, alone, size, items, counts, wrong, index):
    expected = [0] * producers
    received = 0
    while (found := items.get()) is not None:
        number, place = found[0] | found[1] << 8, int.from_bytes(found[2:8], "little")
        if len(found) != size or (place != expected[number] if alone else place < expected[number]):
            wrong[index * LINE] += 1
        expected[number] = place + 1
        received += 1
        counts[index * LINE] = received


def asker(size, questions, answers, phase, times):
    number, last, now = 0, phase.value, time.perf_counter_ns()
    took = []
    while last != STOP:
        questions.put(item(0, number, size))
        if answers.get() != item(0, number, size):
            sys.exit("something else came back")
        before, now, before_it, last = now, time.perf_counter_ns(), last, phase.value
        if MEASURE in (before_it, last):
            took.append(now - before)
        number += 1
    questions.put(None)
    times.put(took)


def answerer(questions, answers):
    while (found := questions.get()) is not None:
        answers.put(found)


def run(parent, core, index, ready, phase, work, *arguments):
    begin(parent, core, index, ready, phase)
    work(*arguments)


def start(context, cores, phase, works):
    ready = context.RawArray("i", len(works))
    workers = []
    for index, work in enumerate(works):
        shared = (os.getpid(), cores[index % len(cores)], index, ready, phase)
        workers.append(context.Process(target=run, args=(*shared, *work), daemon=True))
        workers[-1].start()
    while not all(ready):
        time.sleep(0.001)
        if any(worker.exitcode is not None for worker in workers):
            sys.exit("a worker did not begin")
    return workers


def join(workers):
    for worker in workers:
        worker.join(60)
        if worker.exitcode != 0:
            sys.exit(f"a worker ended with {worker.exitcode}")


def throughput(context, cores, phase, seconds, size, depth, producers, consumers):
    count = producers + consumers
    items = context.Queue(depth)
    counts, wrong = context.RawArray("q", count * LINE), context.RawArray("q", count * LINE)
    works = [(producer, index, size, items, counts, index, phase) for index in range(producers)]
    works += [
        (consumer, producers, consumers == 1, size, items, counts, wrong, index)
        for index in range(producers, count)
    ]
    workers = start(context, cores, phase, works)
    received = lambda: list(counts[producers * LINE :: LINE])
    phase.value = WARM_UP
    time.sleep(seconds * 0.15)
    phase.value = MEASURE
    begun, before = time.perf_counter_ns(), received()
    time.sleep(seconds)
    ended, after = time.perf_counter_ns(), received()
    phase.value = STOP
    join(workers[:producers])
    for _ in range(consumers):
        items.put(None)
    join(workers[producers:])
    return {
        "items": [late - early for early, late in zip(before, after)],
        "elapsed_ns": ended - begun,
        "sent": sum(counts[: producers * LINE : LINE]),
        "received": sum(received()),
        "wrong": sum(wrong[::LINE]),
    }


def round_trips(context, cores, phase, seconds, size, depth):
    questions, answers = context.Queue(depth), context.Queue(depth)
    times = context.SimpleQueue()
    works = [(asker, size, questions, answers, phase, times), (answerer, questions, answers)]
    workers = start(context, cores, phase, works)
    phase.value = WARM_UP
    time.sleep(seconds * 0.15)
    phase.value = MEASURE
    time.sleep(seconds)
    phase.value = STOP
    took = times.get()
    join(workers)
    return {"times": took}


def main():
    parent, nanos, size, depth, producers, consumers, *cores = map(int, sys.argv[1:])
    die_with(parent)
    context = multiprocessing.get_context("fork")
    phase = context.RawValue("i", GATHER)
    common = (context, cores or [None], phase, nanos / 1e9, size, depth)
    found = throughput(*common, producers, consumers) if producers else round_trips(*common)
    print(json.dumps(found))


main()
