"""The trainer `openrlhf-rm`, at work."""

import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from guerdon import GuerdonError, Run
from guerdon_openrlhf import commands, fitting, keeping, pairs
from guerdon_openrlhf.rm_lines import Bars

if TYPE_CHECKING:
    from guerdon_openrlhf.rm import OpenrlhfRm

MODULE = "openrlhf.cli.train_rm"
HEAD = "score"
"""What makes a score of a hidden state, as OpenRLHF and transformers name it."""


def fit(options: "OpenrlhfRm", run: Run) -> None:
    """Train the stage, or what an interruption has left of it. Raises GuerdonError."""
    places, model = fitting.places_of(run), fitting.model_of(options, run)
    place = commands.place(options.python)
    places.prepare(fitting.config_of(run), run.stage)
    done = keeping.resumed(run, places, "")
    learnt, held_out = pairs.divided(run, options.held_out)
    steps = options.steps_for(len(learnt))
    pairs.write(options, run, places, model, learnt=learnt, held_out=held_out, steps=steps)
    arguments = options.arguments(places, str(model), run.seed, steps=steps, resume=done > 0)
    fitting.check(options, run, place, MODULE, arguments, gpus=options.gpus_per_node)
    run.journal.total = steps
    before, bars = done, Bars(options.micro_batches, done)
    words = options.words(MODULE, arguments)
    with closing(fitting.trained(run, places, place, words, read=bars.read)) as reported:
        for number, metrics in reported:
            if number > done and options.save_steps and done > before and done % options.save_steps == 0:
                _keep(run, keeping.saved_by_openrlhf(places, done), done, last=False)
            run.journal.log(number, metrics)
            done = number
    if not done:
        raise GuerdonError("OpenRLHF", "ended without a step", f"look at what it printed: {places.log}")
    _keep(run, places.final, done, last=True)


def plan(options: "OpenrlhfRm", run: Run) -> str:
    """The command line, checked by OpenRLHF's own parser. Raises GuerdonError."""
    places, place = fitting.places_of(run), commands.place(options.python)
    model = run.start or run.directory / "policies" / run.stage
    learnt, _ = pairs.divided(run, options.held_out)
    steps = options.steps_for(len(learnt))
    arguments = options.arguments(places, str(model), run.seed, steps=steps, resume=False)
    place.preflight(fitting.request(options, MODULE, arguments))
    words = options.words(MODULE, arguments)
    return f"OpenRLHF, on {options.gpus_per_node} GPUs\n{commands.shown(place.command(words))}"


def _keep(run: Run, source: Path, step: int, *, last: bool) -> None:
    if (source / "config.json").is_file():
        as_classifier(source / "config.json")
    keeping.keep(run, source, step, step, last=last)


def as_classifier(path: Path) -> None:
    """Say in a checkpoint's `config.json` what it is: OpenRLHF leaves a class there that only itself knows.

    What it writes at its end only, the name of the head, tells `preference-model` how texts were ended.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSES

    config = json.loads(path.read_text("utf-8"))
    config |= {"value_head_prefix": HEAD, "id2label": {"0": "LABEL_0"}, "label2id": {"LABEL_0": 0}}
    if name := CLASSES.get(config.get("model_type", "")):
        config["architectures"] = [name]
    path.write_text(json.dumps(config, indent=2), "utf-8")
