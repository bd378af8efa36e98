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
from typing import Any

from guerdon import wire
from guerdon.judging import judge_now, judge_unit
from guerdon.plugs import Budget, Reward, opened

EXIT_OUT_OF_MEMORY = 86


def work(channel: socket.socket, command: dict[str, Any]) -> None:
    """Serve until the channel closes. `command`: `class` as "module:qualname", and its `options`."""
    os.dup2(2, 1)  # what a verifier prints must not end up in the parent's output
    loop = asyncio.new_event_loop()
    try:
        reward = _rebuild(command["class"], command["options"])
        plugs = AsyncExitStack()
        loop.run_until_complete(plugs.enter_async_context(opened(reward)))
    except BaseException as error:
        channel.sendall(wire.dump({"broken": wire.failure_of(error).traceback}))
        return
    channel.sendall(wire.dump({"ready": os.getpid()}))
    try:
        _serve(channel, reward, loop)
    finally:
        loop.run_until_complete(plugs.aclose())


def _rebuild(path: str, options: dict[str, Any]) -> Reward:
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    reward: Reward = found.model_validate_json(json.dumps(options))
    return reward


def _serve(channel: socket.socket, reward: Reward, loop: asyncio.AbstractEventLoop) -> None:
    resident = reward.isolation == "resident"
    if not resident:
        _limit_memory(reward.budget)
    synchronous = not resident and not reward.is_async()
    for line in channel.makefile("rb"):
        for number, plain in json.loads(line):
            unit = wire.to_unit(plain)
            started = time.perf_counter()
            _start_timers(reward.budget)
            try:
                if synchronous and not unit.control:
                    scores = judge_now(reward, unit.rollouts)
                else:
                    scores = loop.run_until_complete(judge_unit(reward, unit))
                message = wire.dump([number, wire.from_scores(scores, time.perf_counter() - started)])
            except MemoryError:
                os._exit(EXIT_OUT_OF_MEMORY)  # there may be no memory left to say it with
            except BaseException as error:
                failure = wire.from_failure(wire.failure_of(error), time.perf_counter() - started)
                message = wire.dump([number, failure])
            _stop_timers()
            channel.sendall(message)


def _start_timers(budget: Budget) -> None:
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
