"""A stage trained by OpenRLHF from its first step to its last: prepared, launched, followed and brought home."""

import asyncio
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon import DataError, GuerdonError, Run, opened
from guerdon_openrlhf import commands, keeping, lines
from guerdon_openrlhf.launching import Launched, launched
from guerdon_openrlhf.places import Places
from guerdon_openrlhf.refusals import AUX_LOSS, LORA

if TYPE_CHECKING:
    from guerdon_openrlhf.options import OpenrlhfTrainer

RAY_WAS_SLOW = "timed out during startup"
"""What Ray 2.55 says when a node has not started within 30 seconds, which nothing can change."""
LAST_WORDS_SECONDS = 5.0
"""For the traceback of what is fatal to be printed."""
Followed = Iterator[tuple[int, dict[str, float]]]
"""OpenRLHF's steps, each with its metrics."""


def model_of(options: "OpenrlhfTrainer", run: Run) -> Path:
    """The checkpoint directory that the stage begins with. Raises DataError for one that OpenRLHF cannot train."""
    model = run.checkpoint().resolve()
    if (model / "adapter_config.json").is_file():
        raise DataError(str(model), f"is a LoRA adapter: {LORA}", "take `lora_rank` out of the policy")
    try:
        kind = json.loads((model / "config.json").read_text("utf-8")).get("model_type", "")
    except (OSError, ValueError) as error:
        raise DataError(str(model / "config.json"), f"cannot be read: {error}", "give a checkpoint") from error
    if options.aux_loss_coef and kind == "deepseek_v3":
        raise DataError("aux_loss_coef", AUX_LOSS, "leave it out")
    return model


def config_of(run: Run) -> Path:
    """The run file as it runs, which OpenRLHF's processes load."""
    return (run.directory / "config.toml").resolve()


def places_of(run: Run) -> Places:
    """Where the stage's files are."""
    return Places(run.workdir.resolve())


def evaluate(run: Run, model: Path, step: int, *, last: bool) -> None:
    """Log the evaluation that is due before or after the stage, if one is."""
    if run.evaluator is None or run.sampler is None:
        return

    async def evaluated() -> Mapping[str, float]:
        assert run.sampler is not None
        async with opened(run.sampler):
            return await run.evaluate(model, step, last)

    run.journal.say("evaluating")
    if metrics := asyncio.run(evaluated()):
        run.journal.log(step, metrics)


def follow(
    run: Run, places: Places, running: Launched, read: Callable[[str], tuple[int, dict[str, float]] | None]
) -> Followed:
    """The steps as OpenRLHF reports them, while it runs. Raises what ends it before its end.

    `read`: the step that a line reports.
    """
    told: set[str] = set()
    doomed = float("inf")
    for line in running.lines():
        if time.monotonic() > doomed:
            raise running.failure("OpenRLHF", "cannot go on")
        if run.journal.interruption.is_set():
            raise KeyboardInterrupt
        if places.failure.exists():
            raise GuerdonError(**json.loads(places.failure.read_text("utf-8")))
        if line is None:
            continue
        text = lines.plain(line)
        if lines.fatal(text):
            doomed = min(doomed, time.monotonic() + LAST_WORDS_SECONDS)
        began = lines.phase(text)
        if began is not None and began not in told:
            told.add(began)
            run.journal.say(f"OpenRLHF: {began}")
        found = read(text)
        if found is not None:
            yield found
    code = running.ended()
    if code:
        if places.failure.exists():
            raise GuerdonError(**json.loads(places.failure.read_text("utf-8")))
        raise running.failure("OpenRLHF", f"ended with exit code {code}")


def trained(
    run: Run,
    places: Places,
    place: commands.Place,
    words: list[str],
    *,
    read: Callable[[str], tuple[int, dict[str, float]] | None],
) -> Generator[tuple[int, dict[str, float]]]:
    """Launch, and give the steps as they come. However it ends, nothing of it is left running."""
    for attempt in (1, 2):
        steps = 0
        try:
            for reported in _attempted(run, places, place, words, read=read):
                steps += 1
                yield reported
            return
        except GuerdonError as error:
            if attempt == 2 or steps or RAY_WAS_SLOW not in error.what:
                raise
            run.journal.say("Ray did not start within its 30 seconds: the machine is busy; once more")


def _attempted(
    run: Run,
    places: Places,
    place: commands.Place,
    words: list[str],
    *,
    read: Callable[[str], tuple[int, dict[str, float]] | None],
) -> Followed:
    began = time.monotonic()
    run.journal.say(f"starting OpenRLHF; all that it prints is in {places.log}")
    places.log.unlink(missing_ok=True)
    with launched(place.command(words), places.log) as running:
        finished = False
        try:
            for number, reported in enumerate(follow(run, places, running, read)):
                if not number:
                    run.journal.say(f"OpenRLHF: the first step is done after {time.monotonic() - began:.0f} s")
                yield reported
            finished = True
        finally:
            if not finished:
                place.stop()


def request(options: "OpenrlhfTrainer", module: str, arguments: list[str]) -> dict[str, Any]:
    """What a preflight is asked at least."""
    return {"module": module, "arguments": arguments, "attention": options.attn_implementation}


def check(
    options: "OpenrlhfTrainer", run: Run, place: commands.Place, module: str, arguments: list[str], *, gpus: int
) -> None:
    """Look whether OpenRLHF can train this where it is to be launched. Raises GuerdonError."""
    on_ray = place.ray_address is not None
    run.journal.say("asking the cluster" if on_ray else "looking whether OpenRLHF can train this, here")
    place.preflight(
        {
            **request(options, module, arguments),
            "config": str(config_of(run)),
            "stage": run.stage,
            "gpus": gpus,
            "ray": on_ray,
        }
    )


def finish(run: Run, places: Places, step: int, theirs: int) -> None:
    """The stage is over: its last checkpoint, and the evaluation after it."""
    evaluate(run, keeping.keep(run, places.final, step, theirs, last=True), step, last=True)
