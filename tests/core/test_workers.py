"""Work that can be killed, and what is left of it: nothing."""

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import hostile
import pytest
from asking import echoed, rollouts, sleepers, why
from processes import alive, descriptors, eventually, has_worked, servers, stat, workers

import guerdon.workers
from guerdon import DataError, GuerdonError, Mixture, Reward, Rollout, Task, Term

pytestmark = pytest.mark.usefixtures("nothing_is_left")


def test_nothing_is_started_before_it_is_needed() -> None:
    with Mixture([Term("it", hostile.Echo())]) as mixture:
        assert not servers()
        mixture.submit(rollouts(["a"])).result(timeout=60)
        assert len(servers()) == 1
        assert len(workers()) == 1


def test_a_worker_serves_many_rollouts() -> None:
    with Mixture([Term("it", hostile.Echo())], workers=2) as mixture:
        pids = set()
        for _ in range(5):
            totals = mixture.submit(rollouts(["a"] * 100)).result(timeout=60)
            pids |= {total.terms["it"].score.evidence["pid"] for total in totals}
        assert len(pids) <= 2
        assert pids == set(workers())


def test_single_rollouts_from_many_callers_are_judged_side_by_side() -> None:
    with Mixture([Term("it", hostile.Echo())], workers=4) as mixture:
        mixture.submit(rollouts(["warm"] * 100)).result(timeout=60)
        started = time.monotonic()
        futures = [mixture.submit(rollouts(["nap"])) for _ in range(4)]
        for future in futures:
            future.result(timeout=60)
        assert time.monotonic() - started < 1.5


def test_queue_time_is_kept_apart_from_run_time() -> None:
    with Mixture([Term("it", hostile.Echo())], workers=1) as mixture:
        totals = mixture.submit(rollouts(["nap"] * 4)).result(timeout=60)
    terms = [total.terms["it"] for total in totals]
    assert all(0.4 < term.seconds < 0.8 for term in terms), terms
    for number, term in enumerate(terms):
        assert term.queued_seconds - terms[0].queued_seconds == pytest.approx(0.5 * number, abs=0.5)


@pytest.mark.parametrize("seed", range(2))
def test_no_result_is_lost_or_swapped_when_completions_kill_their_workers(seed: int) -> None:
    rng = random.Random(seed)
    words = rng.choices(["echo", "die", "raise", "hang"], [90, 5, 5, 1], k=200)
    completions = [f"{word} {i} {'x' * rng.randrange(50)}" for i, word in enumerate(words)]
    with Mixture([Term("it", hostile.Echo())], workers=2) as mixture:
        assert not echoed(completions, mixture.submit(rollouts(completions)).result(timeout=90))


def test_an_answer_that_comes_twice_is_not_taken_for_the_next_ones() -> None:
    """A verifier that forks and lets the child return too."""
    completions = [f"{'fork-and-return' if i % 7 == 3 else 'echo'} {i}" for i in range(60)]
    with Mixture([Term("it", hostile.Echo())], workers=1) as mixture:
        for one in completions:  # one by one, so that the numbers within a message are all alike
            (total,) = mixture.submit(rollouts([one])).result(timeout=60)
            assert total.terms["it"].score.reason == one or "twice" in total.terms["it"].score.reason


def test_no_result_is_lost_or_swapped_when_somebody_kills_workers_and_their_server() -> None:
    completions = [f"echo {i}" for i in range(2000)]
    over = threading.Event()
    killed = []

    def kill_at_random() -> None:
        rng = random.Random(7)
        while not over.wait(0.2):
            # Only who has judged something: a judging that loses its worker five times is given up on purpose.
            victims = [pid for pid in workers() if has_worked(pid)]
            if victims and rng.random() < 0.1:
                victims = servers()
            if victims:
                killed.append(rng.choice(victims))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(killed[-1], signal.SIGKILL)

    killer = threading.Thread(target=kill_at_random)
    killer.start()
    try:
        with Mixture([Term("it", hostile.Echo())], workers=2) as mixture:
            for _ in range(3):
                totals = []
                while len(killed) < 8 or not totals:
                    totals = mixture.submit(rollouts(completions)).result(timeout=90)
                    assert not echoed(completions, totals)
                killed.clear()
    finally:
        over.set()
        killer.join()


def test_a_dead_server_is_replaced_and_nothing_of_its_workers_is_left() -> None:
    with Mixture([Term("it", hostile.Echo())], workers=2) as mixture:
        mixture.submit(rollouts(["a"] * 100)).result(timeout=60)
        (server,), first = servers(), workers()
        os.kill(server, signal.SIGKILL)
        completions = [f"echo {i}" for i in range(100)]
        assert not echoed(completions, mixture.submit(rollouts(completions)).result(timeout=60))
        assert servers() != [server]
        assert eventually(lambda: not alive(first), 1)


def test_a_killed_worker_is_replaced_at_once() -> None:
    with Mixture([Term("it", hostile.Echo())], workers=1) as mixture:
        mixture.submit(rollouts(["warm"])).result(timeout=60)
        started = time.monotonic()
        mixture.submit(rollouts(["die", "echo"])).result(timeout=60)
        assert time.monotonic() - started < 1


def test_what_a_judging_started_ends_with_it_and_with_the_mixture() -> None:
    with Mixture([Term("it", hostile.Hostile())], workers=1) as mixture:
        totals = mixture.submit(rollouts(["child", "right"])).result(timeout=60)
        assert [total.value for total in totals] == [0, 1]
        assert eventually(lambda: not sleepers(), 2), "children, and children's children in other sessions"
        mixture.submit(rollouts(["daemon", "threads"])).result(timeout=60)
        assert eventually(lambda: len(sleepers()) == 1, 5)


def test_a_daemon_of_one_worker_outlives_the_death_of_another() -> None:
    with Mixture([Term("it", hostile.Hostile()), Term("other", hostile.Hostile())], workers=1) as mixture:
        mixture.submit(rollouts(["daemon"])).result(timeout=60)
        assert eventually(lambda: len(sleepers()) == 2, 5)
        daemons = sleepers()
        victim, survivor = workers()
        os.kill(victim, signal.SIGKILL)
        assert eventually(lambda: stat(victim) is None, 2)
        time.sleep(0.1)
        assert len(alive(daemons)) == 1
        assert stat(survivor) is not None


def test_who_switches_the_kernels_timers_off_is_killed_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guerdon.workers, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(guerdon.workers, "WATCH_SECONDS", 0.1)
    with Mixture([Term("it", hostile.Hostile())], workers=2) as mixture:
        masked, right = mixture.submit(rollouts(["masked", "right"])).result(timeout=60)
    assert masked.value == 0
    assert "wall-clock" in why(masked)
    assert right.value == 1


def test_a_verifiers_own_alarms_do_not_disarm_the_next_judgings_timers() -> None:
    with Mixture([Term("it", hostile.Hostile())], workers=1) as mixture:
        mixture.submit(rollouts(["alarm"])).result(timeout=60)
        started = time.monotonic()
        sleep, spin = mixture.submit(rollouts(["sleep", "spin"])).result(timeout=60)
        assert time.monotonic() - started < 5
    assert "wall-clock" in why(sleep)
    assert "CPU" in why(spin)


@pytest.mark.parametrize("word", ["print", "chdir", "threads", "daemon", "own-loop"])
def test_a_verifier_with_bad_manners_is_served_all_the_same(word: str, capfd: pytest.CaptureFixture[str]) -> None:
    directory = os.getcwd()
    with Mixture([Term("it", hostile.Hostile())], workers=1) as mixture:
        totals = mixture.submit(rollouts([word, "right", word, "wrong"])).result(timeout=60)
    assert [total.value for total in totals] == [1, 1, 1, 0]
    assert os.getcwd() == directory
    assert "anybody" not in capfd.readouterr().out


def test_long_and_strange_completions_arrive_as_they_are() -> None:
    strange = ["\x00" * 1_000_000, "\ud800\udfff\udc00" * 300_000, "é😀" * 500_000, "</think>\r\n\u2028", ""]
    with Mixture([Term("there", hostile.Whole()), Term("here", hostile.WholeInline())], workers=2) as mixture:
        totals = mixture.submit(rollouts(strange * 8)).result(timeout=60)
    for completion, total in zip(strange * 8, totals, strict=True):
        for term in total.terms.values():
            assert term.score.value == len(completion)
            assert term.score.reason == completion[-50:]
            assert term.score.evidence == {"head": completion[:50]}


def test_a_task_that_is_no_json_is_named_and_harms_nobody_else() -> None:
    with Mixture([Term("it", hostile.Whole())]) as mixture:
        good = mixture.submit(rollouts(["a"] * 50))
        with pytest.raises(DataError, match=r"task odd: cannot be sent to a worker.*set.*JSON"):
            mixture.submit([Rollout(Task("odd", "p", {1, 2}), "c")]).result(timeout=60)
        assert len(good.result(timeout=60)) == 50


def test_options_of_any_length_reach_the_worker() -> None:
    words = tuple(f"word {i} é" for i in range(50_000))
    with Mixture([Term("it", hostile.WithOptions(words=words))]) as mixture:
        (total,) = mixture.submit(rollouts(["a"])).result(timeout=60)
    assert (total.value, total.terms["it"].score.reason) == (50_000, words[-1])


@pytest.mark.parametrize(
    ("reward", "says"),
    [
        (hostile.Unopenable(), "OSError: no such model: nowhere"),
        (hostile.UnopenableInline(), "OSError: no such model: nowhere"),
        (hostile.DiesWhenOpened(), "ended before it was open (exit code 7)"),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_a_plug_that_cannot_be_opened_is_an_error_and_no_wait(reward: Reward, says: str) -> None:
    started = time.monotonic()
    with pytest.raises(GuerdonError) as error, Mixture([Term("it", reward)]) as mixture:
        mixture.submit(rollouts(["a"] * 200)).result(timeout=60)
    assert says in str(error.value)
    assert time.monotonic() - started < 10


def test_a_reward_that_no_worker_can_import_is_refused() -> None:
    class Local(hostile.Hostile):
        pass

    with pytest.raises(GuerdonError, match="cannot be imported by a worker"), Mixture([Term("it", Local())]):
        pass


def test_a_plug_is_opened_and_closed_in_the_process_that_uses_it(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    with Mixture([Term("it", hostile.Lives(diary=str(diary)))], workers=2) as mixture:
        mixture.submit(rollouts(["a"] * 200)).result(timeout=60)
        there = set(workers())
    lines = [line.split() for line in diary.read_text().splitlines()]
    assert {int(pid) for what, pid in lines if what == "open"} == there
    assert {int(pid) for what, pid in lines if what == "close"} == there


def test_many_workers_may_be_wanted_at_once() -> None:
    """More requests than a socket holds while the server is still importing."""
    with Mixture([Term("it", hostile.Echo())], workers=300) as mixture:
        completions = [f"echo {i}" for i in range(1200)]
        assert not echoed(completions, mixture.submit(rollouts(completions)).result(timeout=120))


def test_closing_ends_what_hangs_and_tells_who_waits() -> None:
    mixture = Mixture([Term("it", hostile.Hostile()), Term("late", hostile.HostileAsync())], workers=1).open()
    waiting = [mixture.submit(rollouts(["sleep", "right"] * 20)) for _ in range(3)]
    time.sleep(0.3)
    started = time.monotonic()
    mixture.close()
    assert time.monotonic() - started < 3
    for future in waiting:
        with pytest.raises(GuerdonError, match="was closed while it judged"):
            future.result(timeout=1)
    mixture.close()
    with pytest.raises(GuerdonError, match="is not open"):
        mixture.submit(rollouts(["a"]))


def test_a_mixture_that_is_open_cannot_be_opened_again_but_after_closing_it_can() -> None:
    mixture = Mixture([Term("it", hostile.Echo())])
    for _ in range(2):
        with mixture:
            with pytest.raises(GuerdonError, match="is open already"):
                mixture.open()
            mixture.submit(rollouts(["a"])).result(timeout=60)


@pytest.mark.slow
def test_no_descriptor_and_no_memory_leaks_over_two_hundred_deaths() -> None:
    with Mixture([Term("it", hostile.Echo())], workers=2) as mixture:
        mixture.submit(rollouts(["echo", "die"] * 4)).result(timeout=60)
        time.sleep(0.2)
        before = descriptors()
        mixture.submit(rollouts(["die"] * 100)).result(timeout=90)
        assert eventually(lambda: descriptors() <= before + 2 and len(workers()) <= 2, 20)


def test_a_budget_is_for_one_judging_and_not_for_a_message() -> None:
    assert hostile.Echo.budget.wall_seconds < 3 * 0.5
    with Mixture([Term("it", hostile.Echo())], workers=1) as mixture:
        totals = mixture.submit(rollouts(["nap"] * 6)).result(timeout=60)
    assert all(total.value == 3 for total in totals)


def test_a_reward_of_a_module_that_breaks_where_it_is_preloaded_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "breaks_in_workers.py").write_text(
        "import os, sys\n"
        "if 'guerdon.forkserver' in ' '.join(sys.orig_argv):\n"
        "    raise SystemExit('not here')\n"
        "from guerdon import Verifier\n"
        "class It(Verifier):\n"
        "    name = 'it'\n"
        "    def verify(self, rollout): return 1.0\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import breaks_in_workers  # type: ignore[import-not-found]

    mixture: Any = Mixture([Term("it", breaks_in_workers.It())])
    with pytest.raises(GuerdonError, match="SystemExit: not here"), mixture:
        mixture.submit(rollouts(["a"])).result(timeout=60)
