"""Wherever workers are asked from: threads, loops, odd signals, forked copies."""

import asyncio
import os
import signal
import threading
import time

import hostile
import pytest
from asking import echoed, rollouts, why
from processes import eventually, workers

from guerdon import GuerdonError, Mixture, Term, Total

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_from_many_threads_at_once() -> None:
    wrong: list[str] = []

    def ask(mixture: Mixture, thread: int) -> None:
        for turn in range(10):
            completions = [f"echo {thread} {turn} {i}" for i in range(20)]
            wrong.extend(echoed(completions, mixture.submit(rollouts(completions)).result(timeout=60)))

    with Mixture([Term("it", hostile.Echo())], workers=2) as mixture:
        threads = [threading.Thread(target=ask, args=(mixture, number)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_from_several_loops_at_once() -> None:
    wrong: list[str] = []

    async def ask(mixture: Mixture, number: int) -> None:
        async def one(turn: int) -> None:
            completions = [f"echo {number} {turn} {i}" for i in range(20)]
            wrong.extend(echoed(completions, await mixture.score(rollouts(completions))))

        await asyncio.gather(*(one(turn) for turn in range(10)))

    with Mixture([Term("it", hostile.Echo())], workers=2) as mixture:
        threads = [threading.Thread(target=asyncio.run, args=(ask(mixture, number),)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


def test_an_asyncio_task_that_is_cancelled_takes_its_work_along() -> None:
    async def main() -> float:
        async with Mixture([Term("it", hostile.Echo())], workers=1) as mixture:
            task = asyncio.create_task(mixture.score(rollouts(["nap"] * 100)))
            await asyncio.sleep(0.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            started = time.monotonic()
            (total,) = await mixture.score(rollouts(["echo"]))
            assert total.value == 4
            return time.monotonic() - started

    assert asyncio.run(main()) < 5, "the naps that nobody waits for were taken all the same"


def test_from_a_thread_with_its_signals_blocked() -> None:
    totals: list[Total] = []

    def ask() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        with Mixture([Term("it", hostile.Hostile())], workers=2) as mixture:
            totals.extend(mixture.submit(rollouts(["hang", "sleep", "right"])).result(timeout=60))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert [total.value for total in totals] == [0, 0, 1]
    assert ("CPU" in why(totals[0]), "wall-clock" in why(totals[1])) == (True, True)


def test_with_its_signals_ignored_by_the_parent() -> None:
    ours = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGPROF)
    }
    try:
        with Mixture([Term("it", hostile.Hostile())], workers=2) as mixture:
            totals = mixture.submit(rollouts(["hang", "sleep", "killed", "right"])).result(timeout=60)
    finally:
        for number, handler in ours.items():
            signal.signal(number, handler)
    assert [total.value for total in totals] == [0, 0, 0, 1]
    assert ("CPU" in why(totals[0]), "wall-clock" in why(totals[1])) == (True, True)


def test_in_a_forked_child_the_parents_mixture_says_so_and_works_on_in_the_parent() -> None:
    with Mixture([Term("it", hostile.Echo())], workers=1) as mixture:
        mixture.submit(rollouts(["a"])).result(timeout=60)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with LeftByTheChild(mixture):
                    mixture.submit(rollouts(["a"]))
            except GuerdonError as error:
                code = 0 if "opened by another process" in str(error) else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert not echoed(["echo"], mixture.submit(rollouts(["echo"])).result(timeout=60))


class LeftByTheChild:
    """What a `with mixture:` around the fork does in the child."""

    def __init__(self, mixture: Mixture) -> None:
        self.mixture = mixture

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None:
        self.mixture.__exit__(*error)


def test_workers_go_although_a_forked_child_holds_their_sockets() -> None:
    with Mixture([Term("it", hostile.Echo())], workers=2) as mixture:
        mixture.submit(rollouts(["a"] * 100)).result(timeout=60)
        release, wait = os.pipe()
        holder = os.fork()
        if holder == 0:
            os.close(wait)
            os.read(release, 1)
            os._exit(0)
        os.close(release)
        try:
            mixture.submit(rollouts(["raise"] * 30)).result(timeout=60)
            assert eventually(lambda: len(workers()) <= 2, 20), "workers that are done with are left"
        finally:
            os.close(wait)
            os.waitpid(holder, 0)


def test_while_another_thread_holds_the_parents_gil_nobody_is_blamed() -> None:
    holding = threading.Thread(target=pow, args=(7, 4_000_000))
    with Mixture([Term("it", hostile.Echo())], workers=2) as mixture:
        mixture.submit(rollouts(["warm"] * 100)).result(timeout=60)
        holding.start()
        completions = [f"echo {i}" for i in range(200)]
        totals = mixture.submit(rollouts(completions)).result(timeout=60)
        holding.join()
    assert not echoed(completions, totals)
    assert max(total.terms["it"].seconds for total in totals) < 0.1
