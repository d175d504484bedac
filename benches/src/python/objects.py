"""A Manager's dict: what a call takes, and what a killed writer leaves."""

import json
import multiprocessing
import os
import random
import signal
import sys
import time
from multiprocessing.managers import SyncManager

fork = multiprocessing.get_context("fork")


def manager():
    started = SyncManager(ctx=fork)
    started.start(die_with, (os.getpid(),))
    return started


def key(number):
    return number.to_bytes(16, "little")


def timed(seconds, call):
    calls = 0
    begun = time.monotonic()
    while True:
        for _ in range(64):
            call()
        calls += 64
        elapsed = time.monotonic() - begun
        if elapsed >= seconds:
            return elapsed * 1e9 / calls


def speed(keys, size, millis):
    with manager() as server:
        shared = server.dict()
        value = b"x" * size
        begun = time.monotonic()
        # A tenth, one by one; the others at once.
        few = keys // 10
        for number in range(few):
            shared[key(number)] = value
        insert = (time.monotonic() - begun) * 1e9 / few
        shared.update({key(number): value for number in range(few, keys)})

        def replace():
            shared[key(random.randrange(keys))] = value

        def get():
            assert len(shared[key(random.randrange(keys))]) == size

        seconds = millis / 1000
        return {
            "insert_ns": insert,
            "replace_ns": timed(seconds, replace),
            "get_ns": timed(seconds, get),
        }


def write(parent, shared, count, keys, words):
    die_with(parent)
    number = 0
    while True:
        shared[key(number % keys)] = (1 + number // keys).to_bytes(8, "little") * words
        number += 1
        count.value = number


def look(parent, shared, done, keys, words, found):
    die_with(parent)
    torn = lost = 0
    for at in range(keys):
        value = shared.get(key(at))
        least = (done + keys - 1 - at) // keys
        if value is None:
            lost += 1
        elif value != value[:8] * words:
            torn += 1
        elif int.from_bytes(value[:8], "little") < least:
            lost += 1
        shared[key(at)] = value
    found.put((torn, lost))


def kill(keys, words, latest, patience):
    with manager() as server:
        shared = server.dict()
        count = fork.RawValue("Q", 0)
        writer = fork.Process(target=write, args=(os.getpid(), shared, count, keys, words))
        writer.start()
        assert within(60, lambda: count.value >= 64)
        time.sleep(random.uniform(0, latest / 1000))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        found = fork.SimpleQueue()
        arguments = (os.getpid(), shared, count.value, keys, words, found)
        looker = fork.Process(target=look, args=arguments)
        looker.start()
        looker.join(patience / 1000)
        hung = looker.is_alive()
        if hung:
            looker.kill()
            looker.join()
        torn, lost = (0, 0) if hung or found.empty() else found.get()
        refused = not hung and looker.exitcode != 0
        return {"hung": hung, "refused": refused, "torn": torn, "lost": lost}


def main():
    parent, what, *numbers = map(int, sys.argv[1:])
    die_with(parent)
    print(json.dumps((speed if what == 0 else kill)(*numbers)))


main()
