"""A guerdon plugin: best-of-n fine-tuning, a recipe to try it with, and a diary of the best completions."""

from pathlib import Path

from guerdon import Rollout, Verifier, hookimpl
from guerdon_best_of.diary import Diary
from guerdon_best_of.trainer import BestOf


@hookimpl
def register_trainers(register):
    register(BestOf)


@hookimpl
def register_rewards(register):
    register(Ends)


@hookimpl
def register_recipes(register):
    register(Path(__file__).parent / "come-to-an-end.toml")


_diary = Diary()
run_started = _diary.run_started
rollouts_scored = _diary.rollouts_scored
step_finished = _diary.step_finished
run_finished = _diary.run_finished


class Ends(Verifier):
    """1 for a completion that came to an end by itself, 0 for one that was cut off."""

    name = "ends"

    def verify(self, rollout: Rollout) -> bool:
        return not rollout.truncated
