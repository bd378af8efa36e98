"""Mixtures inside Ray actors."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import ray

HERE = str(Path(__file__).parent)


@pytest.mark.slow
def test_inside_a_ray_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:

        @ray.remote
        class Judge:
            def __init__(self, path: str) -> None:
                sys.path.insert(0, path)
                import hostile

                from guerdon import Mixture, Term

                self.mixture = Mixture([Term("it", hostile.HostileWithCanonical())], workers=2).open()

            def score(self, completions: list[str]) -> list[float | None]:
                from guerdon import Rollout, Task

                task = Task("t", "p", "fine")
                totals = self.mixture.submit([Rollout(replace(task), one) for one in completions]).result(timeout=60)
                return [total.value for total in totals]

            async def score_on_its_loop(self, completions: list[str]) -> list[float | None]:
                from guerdon import Rollout, Task

                task = Task("t", "p", "fine")
                rollouts = [Rollout(replace(task), one) for one in completions]
                return [total.value for total in await self.mixture.score(rollouts)]

            def close(self) -> None:
                self.mixture.close()

        @ray.remote
        class Plain:
            """Without `async def`, so that its methods run on the actor's main thread."""

            def score(self, path: str, completions: list[str]) -> list[float | None]:
                sys.path.insert(0, path)
                import hostile

                from guerdon import Mixture, Rollout, Task, Term

                task = Task("t", "p", "fine")
                with Mixture([Term("it", hostile.HostileWithCanonical())], workers=2) as mixture:
                    totals = mixture.submit([Rollout(replace(task), one) for one in completions]).result(timeout=60)
                return [total.value for total in totals]

        completions = ["right", "hang", "killed", "wrong", "raise", "child", "right"]
        expected = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
        judge, plain = Judge.remote(HERE), Plain.remote()
        assert ray.get(judge.score.remote(completions), timeout=120) == expected
        assert ray.get(judge.score_on_its_loop.remote(completions), timeout=120) == expected
        assert ray.get(plain.score.remote(HERE, completions), timeout=120) == expected
        ray.get(judge.close.remote(), timeout=60)
    finally:
        ray.shutdown()
