"""A run as a picture: how good it became, and what else happened to it."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

from guerdon.cli.history import History, read
from guerdon.errors import DataError, PluginError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's: they can be told apart with any colour vision, and here by their dashes too."""
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1, 2)), (0, (1, 1)), (0, (9, 3)), "-")
WARNING = "#B00020"
SMOOTHED = 40
"""Above so many points a line is a running mean over a fortieth of them, with the points themselves pale behind it."""
LETTERS = 72
"""In a line of the note, for each column of diagrams."""
LABEL, MOST_LABELS = 0.06, 4
"""The share of a diagram's height that the name of a stage takes, and how many of them stand one below the other."""


@dataclass(frozen=True)
class Panel:
    """One diagram."""

    title: str
    draw: Callable[["Axes", History], bool]
    """Draws it, and says whether there was anything to draw."""


def draw(directory: Path, path: Path) -> None:
    """Draw the curves of the run in `directory` into the file `path`; its suffix says the format.

    Raises DataError where there is nothing to draw or the file cannot be written, PluginError without matplotlib.
    """
    history = read(directory)
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise PluginError("plot", "needs matplotlib, which is not installed", "pip install 'guerdon[local]'") from None

    import numpy

    trials = [(panel, axes) for panel in PANELS if panel.draw(axes := Figure().add_subplot(), history)]
    flat = [panel.title for panel, axes in trials if not any(numpy.any(line.get_ydata()) for line in axes.lines)]
    panels = [panel for panel, _ in trials if panel.title not in flat]
    if not panels:
        raise DataError(str(directory), "has no metrics that could be drawn", "they come with the first step")
    columns = 2 if len(panels) < 5 else 3
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns, 2.9 * rows + 0.9), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(_plain(directory.resolve().name), fontsize=13, fontweight="bold")
    for number, panel in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, number)
        panel.draw(axes, history)
        _finish(axes, panel.title, history)
    notes = [history.note, f"0 throughout, and left out: {', '.join(flat)}." if flat else ""]
    below = "\n".join(fill(note, LETTERS * columns) for note in notes if note)
    if below:
        figure.supxlabel(_plain(below), fontsize=9, x=0.01, ha="left")
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        # Without a date and a version in it, the same run gives the same file.
        metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        figure.savefig(aside, metadata=metadata.get(path.suffix))
        os.replace(aside, path)
    except OSError as error:
        raise DataError(str(path), f"cannot be written: {error.strerror or error}", "name another --out") from None
    finally:
        aside.unlink(missing_ok=True)


def _finish(axes: "Axes", title: str, history: History) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, fontsize=10, loc="left")
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.tick_params(labelsize=8)
    axes.set_xlabel("step", fontsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.spines[["top", "right"]].set_visible(False)
    stages = history.stages()
    axes.set_xlim(0, max(1, *stages.values()))
    if len(stages) > 1:
        low, high = axes.get_ylim()
        axes.set_ylim(low, high + (high - low) * LABEL * min(len(stages), MOST_LABELS))
    begin = 0
    for number, (stage, end) in enumerate(stages.items()):
        if begin:
            axes.axvline(begin + 0.5, color="#555555", linewidth=0.8, linestyle=":")
        if len(stages) > 1:
            # Each a line lower, because a stage may be shorter than its name.
            top = 1 - LABEL * (number % MOST_LABELS)
            name = f" {_plain(stage)}"
            label = axes.text(begin + 0.5, top, name, fontsize=7, color="#555555", va="top", clip_on=True)
            label.set_transform(axes.get_xaxis_transform())
        begin = end
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1 or labels != [title]:
        axes.legend(handles, labels, fontsize=7, frameon=False, loc="best")


def _line(axes: "Axes", history: History, name: str, label: str, number: int) -> bool:
    colour, dashes = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
    drawn = False
    # Stages are different trainings: no line and no mean goes over from one to the next.
    for stage in history.stages():
        steps, values = history.curve(name, stage)
        if not steps:
            continue
        if len(steps) > SMOOTHED:
            axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.7)
            values = _running_mean(values, len(values) // SMOOTHED)
        # What begins with an underscore is not in the legend.
        said = "_again" if drawn else _plain(label)
        axes.plot(steps, values, color=colour, linestyle=dashes, linewidth=1.4, label=said)
        drawn = True
    return drawn


def _running_mean(values: list[float], reach: int) -> list[float]:
    """Each value's mean with those before it, `reach` steps back."""
    windows = (values[max(0, end - reach) : end + 1] for end in range(len(values)))
    return [sum(window) / len(window) for window in windows]


def _points(axes: "Axes", history: History, name: str, label: str, number: int) -> bool:
    steps, values = history.curve(name)
    if not steps:
        return False
    colour = COLOURS[number % len(COLOURS)]
    low, high = history.curve(f"{name}/low"), history.curve(f"{name}/high")
    if low[0] == steps == high[0]:
        axes.fill_between(steps, low[1], high[1], color=colour, alpha=0.18, linewidth=0)
        label += " (95 % interval)"
    axes.plot(steps, values, color=colour, marker="o", markersize=4, linewidth=1.6, label=_plain(label))
    return True


def _accuracy(axes: "Axes", history: History) -> bool:
    drawn = [_points(axes, history, "eval/pass@1", "held out, pass@1", 0)]
    drawn += [_points(axes, history, name, f"held out, {name[5:]}", 2) for name in history.names("eval/cons@")]
    drawn += [
        _line(axes, history, f"rewards/{name}/mean", f"training, {name}", number)
        for number, name in zip((1, 3, 4, 5, 6), history.correct, strict=False)
    ]
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    return any(drawn)


def _rewards(axes: "Axes", history: History) -> bool:
    drawn = [
        _line(axes, history, name, name.removeprefix("rewards/").removesuffix("/mean"), number)
        for number, name in enumerate(history.names("rewards/", "/mean"), 1)
    ]
    drawn.append(_line(axes, history, "reward", "all together", 0))
    for number, step in enumerate(dict.fromkeys(step for step, _ in history.warnings())):
        axes.axvline(step, color=WARNING, linewidth=1, label="_again" if number else "warned of hacking")
    return any(drawn)


def _correlations(axes: "Axes", history: History) -> bool:
    drawn = [
        _line(axes, history, name, name.removeprefix("correlation/").replace("rewards/", "").replace("/", ", "), number)
        for number, name in enumerate(history.names("correlation/"))
    ]
    axes.set_ylim(-1.03, 1.03)
    return any(drawn)


def _length(axes: "Axes", history: History) -> bool:
    training = _line(axes, history, "completions/mean_length", "training", 1)
    return _points(axes, history, "eval/mean_length", "held out", 0) or training


def _load(axes: "Axes", history: History) -> bool:
    layers = history.names("experts/layer_", "/load")
    for number, name in enumerate(layers):
        _line(axes, history, name, name.removeprefix("experts/").removesuffix("/load").replace("_", " "), number)
    return bool(layers) or _line(axes, history, "experts/load", "all layers", 0)


def _one(name: str, label: str) -> Callable[["Axes", History], bool]:
    return lambda axes, history: _line(axes, history, name, label, 0)


PANELS = (
    Panel("accuracy", _accuracy),
    Panel("rewards in training, mean", _rewards),
    Panel("correlations of models' rewards", _correlations),
    Panel("response length, tokens", _length),
    Panel("repetition", _one("completions/repetition", "repetition")),
    Panel("entropy", _one("entropy", "entropy")),
    Panel("KL to the reference", _one("kl", "KL to the reference")),
    Panel("load of the experts, max/mean", _load),
    Panel("reflection words a completion", _one("completions/reflection_words", "reflection words a completion")),
    Panel("loss", _one("loss", "loss")),
)


def _plain(text: str) -> str:
    """Text that matplotlib does not take for a formula."""
    return text.replace("$", r"\$")
