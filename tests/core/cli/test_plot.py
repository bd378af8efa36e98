"""guerdon plot RUN."""

import json
import re
import sys

import pytest


def line(step, stage, **metrics):
    return json.dumps({"step": step, "stage": stage, **metrics}) + "\n"


def steps(first, last, stage, with_reflection=True):
    for step in range(first, last + 1):
        yield line(
            step,
            stage,
            loss=1 / step,
            reward=step / 100,
            entropy=0.5,
            kl=0.001,
            **{
                "rewards/accuracy/mean": step / 200,
                "rewards/format/mean": None,
                "completions/mean_length": 30.0,
                "completions/reflection_words": 0.1 if with_reflection else 0.0,
                "experts/load": 1.2,
                "experts/layer_1/load": 1.2,
            },
        )


def evaluation(step, stage, share):
    return line(step, stage, **{"eval/pass@1": share, "eval/pass@1/low": share - 0.1, "eval/pass@1/high": share + 0.1,
                                "eval/cons@8": share, "eval/mean_length": 20.0})  # fmt: skip


@pytest.fixture
def run(place):
    directory = place / "first run"
    directory.mkdir()
    lines = [evaluation(0, "sft", 0.2), *steps(1, 60, "sft"), evaluation(60, "sft", 0.5), *steps(61, 70, "rl")]
    (directory / "metrics.jsonl").write_text("".join([*lines, evaluation(70, "rl", 0.9)]))
    (directory / "config.toml").write_text(
        'note = "A toy: it shows no emergence, and costs $0."\n[evaluation]\ncorrect = ["accuracy"]\n'
    )
    return directory


def texts(svg):
    """What is written on a picture; matplotlib leaves it in comments."""
    return [text.strip() for text in re.findall(r"<!-- (.*?) -->", svg.read_text())]


def test_it_draws_a_picture_beside_the_run(place, run):
    ended = place.guerdon("plot", run)
    assert ended.stdout == f"the curves are in {run / 'curves.png'}\n"
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "curves.png").stat().st_size > 20_000
    assert sorted(path.name for path in run.iterdir()) == ["config.toml", "curves.png", "metrics.jsonl"]


def test_every_curve_has_its_place_and_the_stages_and_the_note_are_told(place, run):
    place.guerdon("plot", run, "--out", "it.svg")
    said = texts(place / "it.svg")
    for title in ("accuracy", "rewards in training, mean", "response length, tokens", "entropy", "KL to the reference",
                  "load of the experts, max/mean", "reflection words a completion", "loss"):  # fmt: skip
        assert title in said
    assert "held out, pass@1 (95 % interval)" in said
    assert {"held out, cons@8", "training, accuracy", "all together", "layer 1"} <= set(said)
    assert {"sft", "rl"} <= set(said)
    assert "first run" in said
    assert "A toy: it shows no emergence, and costs $0." in said


def test_what_is_0_throughout_is_left_out_and_said(place, run):
    (run / "metrics.jsonl").write_text("".join(steps(1, 9, "rl", with_reflection=False)))
    place.guerdon("plot", run, "--out", "it.svg")
    said = texts(place / "it.svg")
    assert "reflection words a completion" not in said
    assert "0 throughout, and left out: reflection words a completion." in said


def test_the_same_run_gives_the_same_picture(place, run):
    pictures = []
    for name in ("one.png", "other.png"):
        place.guerdon("plot", run, "--out", name)
        pictures.append((place / name).read_bytes())
    assert pictures[0] == pictures[1]


def test_what_a_kill_tore_is_passed_over(place, run):
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 71, "stage": "rl", "rew')
    assert place.guerdon("plot", run).returncode == 0


def test_only_what_was_measured_is_drawn(place, run):
    (run / "metrics.jsonl").write_text(line(1, "train", loss=2.0) + line(2, "train", loss=1.0))
    (run / "config.toml").unlink()
    place.guerdon("plot", run, "--out", "it.svg")
    said = texts(place / "it.svg")
    assert "loss" in said
    assert not {"accuracy", "entropy", "train"} & set(said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: is no directory; name the directory of a run"),
        (["."], ".: holds no metrics.jsonl; name the directory of a run"),
        (["first run", "--out", "it.gif"], "it.gif: is none of .png, .svg, .pdf"),
        (["first run", "--out", "nowhere/it.png"], "nowhere/it.png: cannot be written: No such file or directory"),
    ],
)
def test_a_mistake_is_one_clear_error(place, run, arguments, said):
    assert said in place.complaint("plot", *arguments)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "has no complete line yet"), ('{"step": 1, "st', "has no complete line yet"),
     (line(1, "rl", time=1), "has no metrics that could be drawn")],
)  # fmt: skip
def test_a_run_with_nothing_to_draw_says_so(place, run, text, said):
    (run / "metrics.jsonl").write_text(text)
    assert said in place.complaint("plot", run)


def test_without_matplotlib_it_says_how_to_get_it(place, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert "needs matplotlib, which is not installed; pip install 'guerdon[local]'" in place.complaint("plot", run)


def test_what_a_models_reward_goes_along_with_is_drawn_and_where_a_warning_was_given(place, run):
    with (run / "metrics.jsonl").open("a") as file:
        for number in range(71, 80):
            shown = {"rewards/judge/mean": number / 100, "completions/repetition": 0.1}
            shown |= {"correlation/judge/length": 0.5, "correlation/judge/rewards/accuracy": -0.5}
            shown |= {"warnings": ["'judge' went up"]} if number == 75 else {}
            file.write(line(number, "rl", **shown))
    place.guerdon("plot", run, "--out", "it.svg")
    said = texts(place / "it.svg")
    assert {"correlations of models' rewards", "judge, length", "judge, accuracy", "warned of hacking"} <= set(said)
    assert "repetition" in said
