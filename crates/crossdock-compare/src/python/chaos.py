"""A process that sends to a multiprocessing.Queue, or receives, is killed; who goes on, and with what?

Arguments: the parent's process id, how many trials, whether receivers are killed (1) or senders (0),
the milliseconds after which a process that made no progress is stuck, how many items are progress,
the microseconds that the kill is delayed at most, and the queue's size. A JSON object for each trial
on standard output.
"""

import ctypes
import json
import multiprocessing
import os
import queue
import random
import signal
import sys
import time

EACH = 2
SENDERS = RECEIVERS = EACH + 1  # the last one comes for the one that was killed
ITEMS = 1 << 20
GATHER, TRAFFIC, STOP, DRAIN = range(4)
SLICE = 0.01
NOTHING_LEFT = 3


def die_with(parent):
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os._exit(1)


def sender(number, parent, items, phase, ready, done, arrived):
    die_with(parent)
    ready[number] = 1
    while phase.value == GATHER:
        time.sleep(0)
    while phase.value == TRAFFIC and done[number] < ITEMS:
        try:
            items.put((number, done[number]), timeout=SLICE)
        except queue.Full:
            continue
        done[number] += 1


def receiver(number, parent, items, phase, ready, done, arrived):
    die_with(parent)
    own, place = arrived[number], SENDERS + number
    ready[place] = 1
    while phase.value == GATHER:
        time.sleep(0)
    nothing = 0
    while nothing < NOTHING_LEFT:
        drain = phase.value == DRAIN
        try:
            origin, count = items.get(timeout=SLICE)
        except queue.Empty:
            nothing += drain
            continue
        nothing = 0
        own[origin * ITEMS + count] += 1
        done[place] += 1


def within(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.0005)
    return True


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


def trial(context, receivers_die, patience, progress, most, size):
    items = context.Queue(size)
    phase = context.RawValue("i", GATHER)
    ready = context.RawArray("i", SENDERS + RECEIVERS)
    done = context.RawArray("q", SENDERS + RECEIVERS)
    arrived = [context.RawArray("B", SENDERS * ITEMS) for _ in range(RECEIVERS)]
    shared = (os.getpid(), items, phase, ready, done, arrived)

    def begin(place):
        is_sender = place < SENDERS
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
        gone_on = lambda: all(done[place] >= before[place] + progress for place in workers)
        gave_up = lambda: any(process.exitcode is not None for process in workers.values())
        went_on = within(patience, lambda: gone_on() or gave_up())
        cut = went_on and not gone_on()
        phase.value = STOP
        if went_on and not cut:
            for last, is_sender in ((DRAIN, True), (DRAIN, False)):
                of_role = [workers[place] for place in workers if (place < SENDERS) == is_sender]
                for process in of_role:
                    process.join(60)
                    cut |= process.exitcode != 0
                phase.value = last
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
    parent, trials, receivers_die, millis, progress, most, size = map(int, sys.argv[1:])
    die_with(parent)
    context = multiprocessing.get_context("fork")
    for _ in range(trials):
        found = trial(context, receivers_die == 1, millis / 1e3, progress, most, size)
        print(json.dumps(found), flush=True)


main()
