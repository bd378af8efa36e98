"""The trainer `openrlhf`, at work."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from typing import TYPE_CHECKING, Any

from guerdon import GuerdonError, Run, Scored, group_metrics
from guerdon_openrlhf import commands, fitting, keeping, lines, parts, prompts

if TYPE_CHECKING:
    from guerdon_openrlhf.grpo import OpenrlhfGrpo

MODULE = "openrlhf.cli.train_ppo_ray"
RESUMED_FROM = "_actor"


def fit(options: "OpenrlhfGrpo", run: Run) -> None:
    """Train the stage, or what an interruption has left of it. Raises GuerdonError."""
    places, model = fitting.places_of(run), fitting.model_of(options, run)
    place = commands.place(options.python, options.ray_address)
    places.prepare(fitting.config_of(run), run.stage)
    done = keeping.resumed(run, places, RESUMED_FROM)
    say_what_is_not_used(run)
    run.journal.say("writing the questions")
    prompts.write_questions(options, run, places.prompts, model)
    arguments = options.arguments(places, str(model), run.seed, resume=done > 0)
    fitting.check(options, run, place, MODULE, arguments, gpus=options.gpus)
    run.journal.total = options.steps
    if not done:
        fitting.evaluate(run, model, 0, last=False)
    every, steps = options.save_steps // options.generation_steps, options.generation_steps
    words, begun = ["-m", MODULE, *arguments], done
    with closing(fitting.trained(run, places, place, words, read=lines.step)) as reported:
        for number, metrics in reported:
            # OpenRLHF reports a step before it saves: the one before is whole now.
            if every and done > begun and done % every == 0:
                keeping.keep(run, keeping.saved_by_openrlhf(places, done), done * steps, done, last=False)
            rows = parts.gather(places.scored)
            if rows:
                run.journal.ledger.write_rows(run.journal.before + number * steps, rows)
            run.journal.log(number * steps, {**(metrics_of(rows, run.mixture.model_based) if rows else {}), **metrics})
            done = number
    if not done:
        raise GuerdonError("OpenRLHF", "ended without a step", f"look at what it printed: {places.log}")
    fitting.finish(run, places, done * steps, done)


def plan(options: "OpenrlhfGrpo", run: Run) -> str:
    """The command line, checked by OpenRLHF's own parser where that is installed. Raises GuerdonError."""
    places = fitting.places_of(run)
    model = run.start or run.directory / "policies" / run.stage
    arguments = options.arguments(places, str(model), run.seed, resume=False)
    place = commands.place(options.python, options.ray_address)
    here = commands.place(options.python)
    here.preflight(fitting.request(options, MODULE, arguments))
    return f"OpenRLHF, on {options.gpus} GPUs\n{commands.shown(place.command(['-m', MODULE, *arguments]))}"


def say_what_is_not_used(run: Run) -> None:
    """What the run file has and OpenRLHF does in another way."""
    if run.sampler is not None:
        run.journal.say("OpenRLHF samples with its own engines; [sampler] is for evaluations")
    if run.evaluator is not None and run.evaluator.settings.every:
        run.journal.say("this stage is evaluated at its beginning and its end only")


def metrics_of(rows: Sequence[Mapping[str, Any]], model_based: Collection[str]) -> dict[str, float]:
    """The metrics of a step's rows of the ledger."""
    groups = groupby(rows, key=lambda row: row["group"])
    metrics = group_metrics([[_scored(row) for row in group] for _, group in groups], model_based)
    metrics.pop("groups/dropped")  # OpenRLHF drops none
    return metrics


def _scored(row: Mapping[str, Any]) -> Scored:
    terms = {name: term["value"] for name, term in row["terms"].items()}
    return Scored(row["score"], terms, row["completion_ids"], row["truncated"])
