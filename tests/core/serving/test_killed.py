"""Processes are killed while clients ask: nothing is lost, and nothing is judged otherwise."""

import os
import random
import signal
import threading
from contextlib import ExitStack, contextmanager, suppress

import pytest
from corpora import load, math_rollout

from guerdon import Mixture, Term
from guerdon.ledger import verdict
from guerdon.remote import RemoteMixture
from guerdon_math import BoxedMath

pytestmark = pytest.mark.slow

MATH = '[rewards.math]\nuse = "boxed-math"'


@contextmanager
def again_and_again(seconds, do):
    """Do something every so often meanwhile; what it returned is collected."""
    done, over = [], threading.Event()

    def repeat():
        while not over.wait(seconds):
            done.append(do())

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


def said(totals):
    plain = [verdict(total)["terms"]["math"] for total in totals]
    return [(term["value"], term["reason"], term["outcome"], term["evidence"]) for term in plain]


@pytest.fixture(scope="module")
def rollouts():
    return [math_rollout(item) for item in load("math/dev")] * 2


@pytest.fixture(scope="module")
def expected(rollouts):
    with Mixture([Term("math", BoxedMath())]) as mixture:
        return said(mixture.submit(rollouts).result())


def judged(mixture, rollouts):
    futures = [mixture.submit(rollouts[start : start + 4]) for start in range(0, len(rollouts), 4)]
    return said([total for future in futures for total in future.result(120)])


def test_killed_workers_change_nothing(serve, rollouts, expected):
    with serve(MATH) as server, RemoteMixture([server.url]) as mixture:

        def kill_a_worker():
            workers = server.workers()
            with suppress(IndexError, ProcessLookupError):
                os.kill(random.choice(workers), signal.SIGKILL)
                return True

        with again_and_again(1.0, kill_a_worker) as killed:
            while len(list(filter(None, killed))) < 3:
                assert judged(mixture, rollouts) == expected


def test_killed_servers_change_nothing(serve, rollouts, expected):
    with ExitStack() as stack:
        running = [stack.enter_context(serve(MATH))]
        steady = stack.enter_context(serve(MATH))
        mixture = stack.enter_context(RemoteMixture([running[0].url, steady.url]))

        def kill_and_start_again():
            running[-1].kill()
            running.append(stack.enter_context(serve(MATH, port=running[0].port)))

        with again_and_again(1.0, kill_and_start_again) as killed:
            while len(killed) < 3:
                assert judged(mixture, rollouts) == expected
