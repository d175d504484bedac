"""Pools of processes: their throughput, and what becomes of their tasks when a worker is killed."""

import glob
import json
import multiprocessing
import os
import random
import signal
import sys
import time

WORKERS = 4
TASKS = 20
# Which of the tasks kills its worker.
VICTIM = 7


def square(number):
    return number * number


def pause(number):
    time.sleep(0.002)
    return number


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def children():
    pid = os.getpid()
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            yield from map(int, file.read().split())


class Pool:
    """multiprocessing.Pool"""

    def __init__(self):
        self.pool = multiprocessing.get_context("fork").Pool(WORKERS)
        self.submit = lambda function, *args: self.pool.apply_async(function, args)
        self.get = lambda task, patience: task.get(patience)

    def workers(self):
        return [process.pid for process in self.pool._pool]

    def map(self, count):
        return sum(self.pool.map(square, range(count)))


class Executor:
    """concurrent.futures.ProcessPoolExecutor"""

    def __init__(self):
        from concurrent.futures import ProcessPoolExecutor

        context = multiprocessing.get_context("fork")
        self.use(ProcessPoolExecutor(WORKERS, mp_context=context))

    def use(self, pool):
        self.pool = pool
        self.submit = pool.submit
        self.get = lambda task, patience: task.result(patience)

    def workers(self):
        return list(self.pool._processes)

    def map(self, count):
        # Its default, a task an item, is what the single tasks are.
        chunk = max(count // (WORKERS * 4), 1)
        return sum(self.pool.map(square, range(count), chunksize=chunk))


class Loky(Executor):
    """loky"""

    def __init__(self):
        import loky

        self.use(loky.ProcessPoolExecutor(WORKERS))


class Mpire:
    """mpire"""

    def __init__(self):
        import mpire

        self.make = lambda: mpire.WorkerPool(WORKERS, start_method="fork")
        self.pool = self.make()
        self.mapper = None
        self.submit = lambda function, *args: self.pool.apply_async(function, args)
        self.get = lambda task, patience: task.get(patience)

    def workers(self):
        return list(children())

    def map(self, count):
        # One pool does not take both ways in turn.
        self.mapper = self.mapper or self.make()
        return sum(self.mapper.map(square, range(count)))


POOLS = [Pool, Executor, Loky, Mpire]


def outcome(pool, task, end):
    # Each pool has a TimeoutError of its own.
    try:
        pool.get(task, max(end - time.monotonic(), 0.001))
        return "answered"
    except Exception as error:
        return "hung" if "Timeout" in type(error).__name__ else "failed"


def submit(pool, function, *args):
    """The task, or None if the pool refuses it."""
    try:
        return pool.submit(function, *args)
    except Exception:
        return None


def speed(pool, singles, items):
    pool.map(WORKERS)
    begun = time.perf_counter()
    tasks = [pool.submit(square, number) for number in range(singles)]
    for task in tasks:
        pool.get(task, 60)
    single = (time.perf_counter() - begun) / singles
    expected = sum(number * number for number in range(items))
    begun = time.perf_counter()
    if pool.map(items) != expected:
        raise ValueError("a wrong sum")
    return {"single_ns": single * 1e9, "item_ns": (time.perf_counter() - begun) / items * 1e9}


def kill(pool, idle, patience):
    for task in [pool.submit(pause, number) for number in range(TASKS)]:
        pool.get(task, 60)
    if idle:
        time.sleep(0.2)
        os.kill(random.choice(pool.workers()), signal.SIGKILL)
        time.sleep(0.2)
    tasks = []
    for number in range(TASKS):
        if number == VICTIM and not idle:
            tasks.append(submit(pool, die))
        else:
            tasks.append(submit(pool, pause, number))
    end = time.monotonic() + patience
    outcomes = ["failed" if task is None else outcome(pool, task, end) for task in tasks]
    own = None if idle else outcomes.pop(VICTIM)
    task = submit(pool, pause, 1)
    after = "failed"
    if task is not None:
        after = outcome(pool, task, time.monotonic() + patience)
    failed, hung = outcomes.count("failed"), outcomes.count("hung")
    return {"own": own, "failed": failed, "hung": hung, "after": after}


def in_a_group_of_its_own(body):
    """Runs it in a child, and kills whatever that has left: the end of a pool that hangs is hanging, and some
    start workers until they end."""
    own = os.getpid()
    child = os.fork()
    if child == 0:
        os.setsid()
        die_with(own)
        status = 1
        try:
            body()
            sys.stdout.flush()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    # loky's semaphores outlive a killed loky.
    for semaphore in glob.glob(f"/dev/shm/sem.loky-{child}-*"):
        os.unlink(semaphore)
    sys.exit(os.waitstatus_to_exitcode(status))


def main():
    parent, which, what, *numbers = map(int, sys.argv[1:])
    die_with(parent)
    in_a_group_of_its_own(lambda: measure(which, what, numbers))


def measure(which, what, numbers):
    try:
        pool = POOLS[which]()
    except ImportError as error:
        print(json.dumps({"absent": error.name}))
        return
    if what == 0:
        print(json.dumps(speed(pool, *numbers)))
    else:
        print(json.dumps(kill(pool, what == 2, numbers[0] / 1000)))


if __name__ == "__main__":
    main()
