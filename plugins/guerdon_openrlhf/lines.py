"""What OpenRLHF prints, understood: its steps and their metrics, how far it has come, and why it stopped."""

import math
import re
from collections.abc import Mapping, Sequence

COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SPEAKER = re.compile(r"^(?:\(\w[\w.:]* (?:pid|TP|rank)[^)]*\)\s?)+")
"""What Ray and vLLM write before a line of another process."""
LOGGED = re.compile(r"^(?:ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]*\] ?")
"""What vLLM's log writes before each line of a traceback."""
STEP = re.compile(r"Global step (\d+): \{(.*)\}")
ITEM = re.compile(r"'([^']+)': (-?(?:\d[\d.]*(?:e[-+]?\d+)?|nan|inf))(?=[,}]|$)")
SFT_STEP = re.compile(r"Train step of epoch \d+:.*?\| *(\d+)/(\d+) \[.*?((?:, [\w/]+=[^,\]]+)+)\]")
SFT_ITEM = re.compile(r", ([\w/]+)=([^,\]]+)")

METRICS: Mapping[str, str] = {
    "policy_loss": "loss",
    "actor_grad_norm": "grad_norm",
    "actor_lr": "learning_rate",
    "kl": "kl",
    "entropy_loss": "entropy",
    "ppo_clip_ratio": "clip_ratio",
    "ppo_kl": "policy/kl",
    "vllm_kl": "sampling/kl",
    "is_filter_ratio": "sampling/corrected",
    "dynamic_filtering_pass_rate": "groups/pass_rate",
    "rollout/reward_mean": "reward/shaped",
    "timing/generation": "time/sampling",
    "timing/make_experience": "time/experience",
    "timing/ppo_train": "time/training",
    "timing/broadcast": "time/weight_sync",
    "timing/step_total": "time/step",
}
"""OpenRLHF's metrics of a step, and ours. What we count ourselves, from the rollouts, is not here."""
SFT_METRICS: Mapping[str, str] = {"gpt_loss": "loss", "lr": "learning_rate", "grad_norm": "grad_norm"}

PHASES: Mapping[str, str] = {
    "Started a local Ray instance": "Ray is up",
    "Connecting to existing Ray cluster": "connected to the Ray cluster",
    "Initializing a V1 LLM engine": "vLLM is starting",
    "init engine": "vLLM is ready",
    "Generate samples": "the first completions are being sampled",
    "Train step of epoch": "the first rows are being learnt",
    "Loading the checkpoint": "going on from OpenRLHF's checkpoint",
}
"""What says that a phase has begun, and how a person is told."""

ERROR = re.compile(r"^\s*((?:[\w]+\.)*\w*(?:Error|Exception|Exit|Interrupt|Broken|OOM)\w*): ?(.*)")
WRAPPERS = (
    "ray.exceptions.",
    "torch.distributed.elastic",
    "Exception: WorkerProc initialization failed",
    "RuntimeError: Engine core initialization failed",
    "vllm.v1.engine.exceptions.EngineDeadError",
)
"""How errors begin that only say that there was another."""
FATAL = ("Exception raised in creation task",)
"""What OpenRLHF does not survive, though it would wait for ever."""
NOISE = re.compile(r"^\s*(File \"|\^+\s*$|~|Traceback |During handling|The above exception|INFO |WARNING |Process )")
SHOWN = 8
"""Lines of an error at most."""


def plain(line: str) -> str:
    """A line without colours, and without who says it."""
    return LOGGED.sub("", SPEAKER.sub("", COLOURS.sub("", line).rstrip("\r\n")))


def step(line: str) -> tuple[int, dict[str, float]] | None:
    """The number of OpenRLHF's step that the line reports, and its metrics under our names."""
    found = STEP.search(line)
    if found is None:
        return None
    values = {name: float(value) for name, value in ITEM.findall(found[2])}
    metrics = {ours: values[theirs] for theirs, ours in METRICS.items() if theirs in values}
    if "groups/pass_rate" in metrics:
        metrics["groups/pass_rate"] /= 100
    return int(found[1]), metrics


def sft_step(line: str) -> tuple[int, int, dict[str, float]] | None:
    """The micro-batch that the line of a progress bar reports, of how many, and the metrics, to three digits."""
    found = SFT_STEP.search(line)
    if found is None:
        return None
    values = {name: number_of(value) for name, value in SFT_ITEM.findall(found[3])}
    metrics = {ours: values[theirs] for theirs, ours in SFT_METRICS.items() if theirs in values}
    return (int(found[1]), int(found[2]), metrics) if metrics else None


def phase(line: str) -> str | None:
    """What has begun, if the line says so."""
    return next((told for said, told in PHASES.items() if said in line), None)


def fatal(line: str) -> bool:
    """Whether nothing will come any more."""
    return any(said in line for said in FATAL)


def cause(lines: Sequence[str]) -> str:
    """The last meaningful lines of an output that ended badly: the innermost error, not the ones that wrap it."""
    cleaned = [plain(line) for line in lines]
    errors = [number for number, line in enumerate(cleaned) if ERROR.match(line)]
    inner = [number for number in errors if not cleaned[number].strip().startswith(WRAPPERS)]
    if inner or errors:
        begin = (inner or errors)[-1]
        message = [cleaned[begin].strip()]
        for line in cleaned[begin + 1 : begin + SHOWN]:
            if not line.strip() or NOISE.match(line) or ERROR.match(line):
                break
            message.append(line.strip())
        return "\n  ".join(message)
    said = [line.strip() for line in cleaned if line.strip() and not NOISE.match(line)]
    return "\n  ".join(said[-SHOWN:]) or "it printed nothing"


def number_of(text: str) -> float:
    """What a bar writes as a number; not a number where it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
