"""What a worker process does: build and open one reward, then judge what it is sent until the channel closes.

The kernel holds the time: an interval timer whose signal has its default action ends the process even inside a C call
that holds the GIL, where no handler and no thread would run (setitimer(2): ITIMER_PROF for CPU time, ITIMER_REAL for
wall-clock time). How a worker ended says which limit it met.
"""

import asyncio
import importlib
import json
import os
import resource
import signal
import socket
import time
from contextlib import AsyncExitStack
from typing import Any, BinaryIO

from guerdon import wire
from guerdon.judging import judge_unit, judge_unit_now
from guerdon.plugs import Budget, Reward, opened

EXIT_OUT_OF_MEMORY = 86
TIMERS = (signal.SIGPROF, signal.SIGALRM)


def work(channel: socket.socket) -> None:
    """Serve until the channel closes. Its first line: `class` as "module:qualname", and its `options`."""
    lines = channel.makefile("rb")
    first = lines.readline()
    if not first:
        return
    loop = asyncio.new_event_loop()
    try:
        command = json.loads(first)
        reward = _rebuild(command["class"], command["options"])
        plugs = AsyncExitStack()
        loop.run_until_complete(plugs.enter_async_context(opened(reward)))
    except BaseException as error:
        channel.sendall(wire.dump({"broken": wire.failure_of(error).traceback}))
        return
    channel.sendall(wire.dump({"ready": os.getpid()}))
    try:
        _serve(channel, lines, reward, loop)
    finally:
        loop.run_until_complete(plugs.aclose())


def _rebuild(path: str, options: dict[str, Any]) -> Reward:
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    reward: Reward = found.model_validate_json(json.dumps(options))
    return reward


def _serve(channel: socket.socket, lines: BinaryIO, reward: Reward, loop: asyncio.AbstractEventLoop) -> None:
    resident = reward.isolation == "resident"
    if not resident:
        _limit_memory(reward.budget)
    synchronous = not resident and not reward.is_async()
    for line in lines:
        for number, plain in json.loads(line):
            unit = wire.to_unit(plain)
            started = time.perf_counter()
            _start_timers(reward.budget)
            try:
                if synchronous:
                    scores = judge_unit_now(reward, unit)
                else:
                    scores = loop.run_until_complete(judge_unit(reward, unit))
                message = wire.dump([number, wire.from_scores(scores, time.perf_counter() - started)])
            except MemoryError:
                os._exit(EXIT_OUT_OF_MEMORY)  # there may be no memory left to say it with
            except BaseException as error:
                failure = wire.from_failure(wire.failure_of(error), time.perf_counter() - started)
                message = wire.dump([number, failure])
            _stop_timers()
            try:
                channel.sendall(message)
            except ConnectionError:
                return  # retired in the middle of a judging: nobody waits for it any more


def _start_timers(budget: Budget) -> None:
    for number in TIMERS:
        signal.signal(number, signal.SIG_DFL)  # an earlier judging may have used them for a timeout of its own
    signal.pthread_sigmask(signal.SIG_UNBLOCK, TIMERS)
    signal.setitimer(signal.ITIMER_PROF, budget.cpu_seconds)
    signal.setitimer(signal.ITIMER_REAL, budget.wall_seconds)


def _stop_timers() -> None:
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_memory(budget: Budget) -> None:
    with open("/proc/self/statm") as file:
        held = int(file.read().split()[0]) * resource.getpagesize()
    limit = held + budget.memory_mb * (1 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
