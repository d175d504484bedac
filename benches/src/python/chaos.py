"""A process that sends to a multiprocessing.Queue, or receives, is killed; who goes on, and with what?

Arguments: the parent's process id, how many trials, whether receivers are killed (1) or senders (0),
the milliseconds after which a process that made no progress is stuck, how many items for each process
are progress, the milliseconds after which a process that did not end is stuck, the microseconds that
the kill is delayed at most, the queue's size, and the cores of senders and of receivers. A JSON object
for each trial on standard output.
"""

import json
import multiprocessing
import os
import queue
import random
import sys
import time

EACH = 2
SENDERS = RECEIVERS = EACH + 1  # the last one comes for the one that was killed
ITEMS = 1 << 20
GATHER, TRAFFIC, STOP, DRAIN = range(4)
SLICE = 0.01
NOTHING_LEFT = 3
WORDS = 128
TURN = 32


def take_turns(count):
    if count % TURN == 0:
        os.sched_yield()


def number_of(origin, count):
    return bytes([origin]) + count.to_bytes(7, "little")


def sender(number, parent, core, items, phase, ready, done, arrived):
    die_with(parent)
    os.sched_setaffinity(0, [core])
    ready[number] = 1
    while phase.value == GATHER:
        time.sleep(0)
    while phase.value == TRAFFIC and done[number] < ITEMS:
        try:
            items.put(number_of(number, done[number]) * WORDS, timeout=SLICE)
        except queue.Full:
            continue
        done[number] += 1
        take_turns(done[number])


def receiver(number, parent, core, items, phase, ready, done, arrived):
    die_with(parent)
    os.sched_setaffinity(0, [core])
    own, place = arrived[number], SENDERS + number
    ready[place] = 1
    while phase.value == GATHER:
        time.sleep(0)
    nothing = 0
    while nothing < NOTHING_LEFT:
        drain = phase.value == DRAIN
        try:
            item = items.get(timeout=SLICE)
        except queue.Empty:
            nothing += drain
            continue
        nothing = 0
        if item != item[:8] * WORDS:
            sys.exit("half an item came")
        origin, count = item[0], int.from_bytes(item[1:8], "little")
        own[origin * ITEMS + count] += 1
        done[place] += 1
        take_turns(done[place])


def balance(done, arrived):
    """How many items are missing, and how many came more than once."""
    missing = doubled = 0
    for origin in range(SENDERS):
        begin, sent = origin * ITEMS, done[origin]
        for times in zip(*(own[begin : begin + sent + 1] for own in arrived)):
            total = sum(times)
            doubled += total > 1
            missing += total == 0
        # The one behind them may have been sent, and is not missing if it was not.
        missing -= all(own[begin + sent] == 0 for own in arrived)
    return missing, doubled


def trial(context, receivers_die, patience, progress, end, most, size, cores):
    items = context.Queue(size)
    phase = context.RawValue("i", GATHER)
    ready = context.RawArray("i", SENDERS + RECEIVERS)
    done = context.RawArray("q", SENDERS + RECEIVERS)
    arrived = [context.RawArray("B", SENDERS * ITEMS) for _ in range(RECEIVERS)]

    def begin(place):
        is_sender = place < SENDERS
        core = cores[0 if is_sender else 1]
        shared = (os.getpid(), core, items, phase, ready, done, arrived)
        work, number = (sender, place) if is_sender else (receiver, place - SENDERS)
        process = context.Process(target=work, args=(number, *shared), daemon=True)
        process.start()
        return process

    places = [*range(EACH), *range(SENDERS, SENDERS + EACH)]
    workers = {place: begin(place) for place in places}
    try:
        if not within(60, lambda: all(ready[place] for place in places)):
            sys.exit("the workers did not begin")
        phase.value = TRAFFIC
        if not within(60, lambda: all(done[place] >= progress for place in places)):
            sys.exit("there was no traffic")
        time.sleep(random.uniform(0, most) / 1e6)
        victim = SENDERS if receivers_die else 0
        newcomer = victim + EACH
        workers[victim].kill()
        workers.pop(victim).join(60)
        before = list(done)
        workers[newcomer] = begin(newcomer)

        def gone_on():
            passed = {place: done[place] - before[place] for place in workers}
            senders = [count for place, count in passed.items() if place < SENDERS]
            receivers = [count for place, count in passed.items() if place >= SENDERS]
            enough = all(sum(role) >= progress * len(role) for role in (senders, receivers))
            return enough and all(passed.values())

        gave_up = lambda: any(process.exitcode is not None for process in workers.values())
        went_on = within(patience, lambda: gone_on() or gave_up())
        cut = went_on and gave_up()
        phase.value = STOP
        for is_sender in (True, False):
            for place in workers:
                if (place < SENDERS) == is_sender and went_on and not cut:
                    workers[place].join(end)
                    went_on = workers[place].exitcode is not None
                    cut = went_on and workers[place].exitcode != 0
            phase.value = DRAIN
    finally:
        for process in workers.values():
            process.kill()
            process.join(60)
    missing, doubled = balance(done, arrived)
    taken = went_on and receivers_die and missing > 0
    return {
        "stuck": not went_on,
        "cut": cut,
        "lost": missing - taken if went_on else 0,
        "doubled": doubled,
        "taken": taken,
    }


def main():
    parent, trials, receivers_die, millis, progress, end, most, size, *cores = map(int, sys.argv[1:])
    die_with(parent)
    context = multiprocessing.get_context("fork")
    for _ in range(trials):
        found = trial(context, receivers_die == 1, millis / 1e3, progress, end / 1e3, most, size, cores)
        print(json.dumps(found), flush=True)


main()
