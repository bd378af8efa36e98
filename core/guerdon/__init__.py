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
from guerdon.hookspecs import hookimpl
from guerdon.mixture import Mixture
from guerdon.plugs import (
    STDERR_BYTES,
    Budget,
    Finished,
    GroupReward,
    Limits,
    Policy,
    Program,
    Reward,
    Run,
    Running,
    Sampler,
    Sampling,
    Sandbox,
    Tasks,
    Trainer,
    Verifier,
)
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
    "Task",
    "Tasks",
    "Term",
    "TermScore",
    "Total",
    "Trainer",
    "Unavailable",
    "Verifier",
    "group_advantages",
    "hookimpl",
]
