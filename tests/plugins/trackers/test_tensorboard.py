"""TensorBoard's event files, read back by TensorBoard."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from guerdon import PluginError


def written(directory):
    events = EventAccumulator(str(directory / "tensorboard"), {"tensors": 0, "scalars": 0})
    events.Reload()
    scalars = {
        name: [(event.step, round(event.value, 4)) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
    texts = {
        name.removesuffix("/text_summary"): [
            event.tensor_proto.string_val[0].decode() for event in events.Tensors(name)
        ]
        for name in events.Tags()["tensors"]
    }
    return scalars, texts


def test_every_metric_of_every_step_is_there(here, tmp_path):
    here("tensorboard", {0: {"eval/pass@1": 0.5}, 1: {"reward": 0.25}, 2: {"reward": 0.75, "loss": float("nan")}})
    scalars, texts = written(tmp_path)
    assert scalars == {"eval/pass@1": [(0, 0.5)], "reward": [(1, 0.25), (2, 0.75)]}
    assert "max_tokens" in texts["run file"][0]


def test_a_run_that_goes_on_shows_no_step_twice(here, tmp_path):
    here("tensorboard", {step: {"reward": step / 10} for step in range(1, 6)})
    here("tensorboard", {step: {"reward": step / 100} for step in range(4, 7)}, done=3)
    scalars, _ = written(tmp_path)
    assert scalars["reward"] == [(1, 0.1), (2, 0.2), (3, 0.3), (4, 0.04), (5, 0.05), (6, 0.06)]


def test_a_later_stage_goes_on_where_the_earlier_ended(here, tmp_path):
    here("tensorboard", {1: {"loss": 1}, 2: {"loss": 2}}, stage="sft")
    here("tensorboard", {1: {"loss": 3}, 2: {"loss": 4}}, stage="rl", before=2)
    assert written(tmp_path)[0]["loss"] == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_a_run_that_begins_anew_shows_nothing_of_the_old_one(here, tmp_path):
    here("tensorboard", {step: {"reward": 1.0} for step in range(9)})
    here("tensorboard", {1: {"reward": 0.5}})
    assert written(tmp_path)[0]["reward"] == [(1, 0.5)]


def test_what_stopped_it_is_told(here, tmp_path):
    here("tensorboard", {1: {"reward": 0.5}}, error=RuntimeError("out of luck"))
    assert written(tmp_path)[1]["stopped"] == ["RuntimeError: out of luck"]


def test_nothing_secret_is_told(here, tmp_path):
    here("tensorboard", {1: {"reward": 0.5}})
    text = written(tmp_path)[1]["run file"][0]
    assert "a model" in text
    for path in (tmp_path / "tensorboard").iterdir():
        assert b"swordfish" not in path.read_bytes()


@pytest.mark.parametrize("other", [None, "trackio-but-another"])
def test_a_run_that_does_not_ask_for_it_is_left_alone(here, tmp_path, other):
    here(other, {1: {"reward": 0.5}})
    assert not (tmp_path / "tensorboard").exists()


def test_without_its_library_the_run_does_not_begin(here, without):
    with (
        without("torch.utils.tensorboard"),
        pytest.raises(PluginError, match=r"needs torch and tensorboard.*pip install 'guerdon\[local,trackers\]'"),
    ):
        here("tensorboard", {1: {"reward": 0.5}})
