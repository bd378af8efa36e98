"""The trainer `openrlhf-sft`, at work."""

from contextlib import closing
from typing import TYPE_CHECKING

from guerdon import GuerdonError, Run
from guerdon_openrlhf import commands, fitting, keeping, lines, prompts

if TYPE_CHECKING:
    from guerdon_openrlhf.sft import OpenrlhfSft

MODULE = "openrlhf.cli.train_sft"


def fit(options: "OpenrlhfSft", run: Run) -> None:
    """Train the stage, or what an interruption has left of it. Raises GuerdonError."""
    places, model, steps = fitting.places_of(run), fitting.model_of(options, run), _steps(options, run)
    place = commands.place(options.python)
    places.prepare(fitting.config_of(run), run.stage)
    done = keeping.resumed(run, places, "")
    prompts.write_demonstrations(options, run, places.prompts, model, steps)
    arguments = options.arguments(places, str(model), run.seed, steps=steps, resume=done > 0)
    fitting.check(options, run, place, MODULE, arguments, gpus=options.gpus_per_node)
    run.journal.total = steps
    if not done:
        fitting.evaluate(run, model, 0, last=False)
    # A bar of OpenRLHF's counts the micro-batches of this process, from where it went on.
    of_step, before = options.micro_batches, done

    def read(line: str) -> tuple[int, dict[str, float]] | None:
        found = lines.sft_step(line)
        if found is None or found[0] % of_step:
            return None
        return before + found[0] // of_step, found[2]

    with closing(fitting.trained(run, places, place, options.words(MODULE, arguments), read=read)) as reported:
        for number, metrics in reported:
            if number <= done:
                continue  # a bar is drawn more often than it moves
            if options.save_steps and done > before and done % options.save_steps == 0:
                keeping.keep(run, keeping.saved_by_openrlhf(places, done), done, done, last=False)
            run.journal.log(number, metrics)
            done = number
    if not done:
        raise GuerdonError("OpenRLHF", "ended without a step", f"look at what it printed: {places.log}")
    fitting.finish(run, places, done, done)


def plan(options: "OpenrlhfSft", run: Run) -> str:
    """The command line, checked by OpenRLHF's own parser. Raises GuerdonError."""
    places, place = fitting.places_of(run), commands.place(options.python)
    model = run.start or run.directory / "policies" / run.stage
    arguments = options.arguments(places, str(model), run.seed, steps=_steps(options, run), resume=False)
    place.preflight(fitting.request(options, MODULE, arguments))
    return (
        f"OpenRLHF, on {options.gpus_per_node} GPUs\n{commands.shown(place.command(options.words(MODULE, arguments)))}"
    )


def _steps(options: "OpenrlhfSft", run: Run) -> int:
    return options.steps_for(len(prompts.demonstrations(run)))
