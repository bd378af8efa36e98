"""guerdon: rewards and verifiers for reinforcement learning of language models, as plugins."""

from guerdon.advantage import group_advantages
from guerdon.errors import (
    BadGroundTruth,
    DataError,
    GuerdonError,
    OptionError,
    PluginError,
    RewardBroken,
    RunFileError,
    SandboxDied,
    Unavailable,
)
from guerdon.groups import Scored, group_metrics
from guerdon.hookspecs import hookimpl
from guerdon.mixture import Mixture
from guerdon.plugs import (
    Budget,
    GroupReward,
    LiveModel,
    Policy,
    Reward,
    Run,
    Sampler,
    Sampling,
    Sandbox,
    Tasks,
    Trainer,
    Verifier,
    opened,
)
from guerdon.programs import STDERR_BYTES, Finished, Limits, Program, Running
from guerdon.totals import Term, TermScore, Total
from guerdon.types import Outcome, Rollout, Score, Task

__all__ = [
    "STDERR_BYTES",
    "BadGroundTruth",
    "Budget",
    "DataError",
    "Finished",
    "GroupReward",
    "GuerdonError",
    "Limits",
    "LiveModel",
    "Mixture",
    "OptionError",
    "Outcome",
    "PluginError",
    "Policy",
    "Program",
    "Reward",
    "RewardBroken",
    "Rollout",
    "Run",
    "RunFileError",
    "Running",
    "Sampler",
    "Sampling",
    "Sandbox",
    "SandboxDied",
    "Score",
    "Scored",
    "Task",
    "Tasks",
    "Term",
    "TermScore",
    "Total",
    "Trainer",
    "Unavailable",
    "Verifier",
    "group_advantages",
    "group_metrics",
    "hookimpl",
    "opened",
]
