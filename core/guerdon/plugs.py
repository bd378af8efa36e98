"""What can be supplied: policies, samplers, rewards, trainers, sandboxes, tasks.

A plug is inert configuration: a frozen pydantic model whose fields are its keys in the run file and whose docstrings
are its reference. Live things (models, clients, pools) are private attributes, made in `open` and gone after `close`.
"""

import inspect
import os
from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from guerdon.errors import PluginError
from guerdon.programs import Limits, Program, Running
from guerdon.types import Rollout, Score, Task

if TYPE_CHECKING:
    from guerdon.evaluation import Evaluator
    from guerdon.journal import Journal
    from guerdon.mixture import Mixture

MIXTURE_KEYS = ("use", "weight", "gate", "domains")
"""The keys of a `[rewards.NAME]` table that belong to the mixture, so that no plug may have a field of that name."""


class Plug(BaseModel):
    """Anything that a run file can name. Subclass one of the kinds below, and set `name`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: ClassVar[str]
    name: ClassVar[str]
    needs: ClassVar[Mapping[str, str]] = {}
    """Modules of optional packages that it cannot do without, each with the command that installs it."""

    async def open(self) -> None:
        """Make what is live. Runs in the process that uses the plug, on the loop that awaits it; never verdict time."""

    async def close(self) -> None:
        """Let go of what `open` made."""

    @classmethod
    def check_needs(cls, where: str) -> None:
        """Raise PluginError, with the command that installs it, if a module that it needs is missing."""
        for module, command in cls.needs.items():
            if find_spec(module) is None:
                raise PluginError(where, f"'{cls.name}' needs the module {module}, which is not installed", command)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        taken = [field for field in cls.model_fields if field in MIXTURE_KEYS]
        if taken:
            raise TypeError(
                f"{cls.__name__}.{taken[0]}: the run file needs this key for itself; give the field another name"
            )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if "kind" not in cls.__dict__:
            return handler(source)

        # A field typed with a kind (`sandbox: Sandbox`) takes a plug, its name, or a table with `use`.
        def built(value: Any) -> Plug:
            from guerdon.options import nested

            return nested(cls, value)

        def plain(plug: Plug) -> dict[str, Any]:
            return {"use": plug.name, **plug.model_dump(mode="json")}

        return core_schema.no_info_plain_validator_function(
            built, serialization=core_schema.plain_serializer_function_ser_schema(plain)
        )


@asynccontextmanager
async def opened(plug: Plug) -> AsyncIterator[None]:
    """A plug's life: the plugs inside it are opened first and closed last."""
    async with AsyncExitStack() as inner:
        for value in vars(plug).values():
            for one in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(one, Plug):
                    await inner.enter_async_context(opened(one))
        await plug.open()
        try:
            yield
        finally:
            await plug.close()


class Policy(Plug):
    """A model to be trained or sampled from."""

    kind: ClassVar[str] = "policy"

    @abstractmethod
    def checkpoint(self, workdir: Path, start: Path | None = None) -> Path:
        """A Hugging Face checkpoint directory, made under `workdir` if there is none yet.

        With `start`, another checkpoint directory, the weights are that one's. Raises GuerdonError.
        """


@dataclass(frozen=True)
class LiveModel:
    """A causal language model in memory: a Hugging Face module, and the tokenizer that belongs to it."""

    module: Any
    tokenizer: Any


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn. `max_completion_length` is in tokens."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_completion_length: int = 1024
    seed: int = 0


class Sampler(Plug):
    """Something that completes prompts."""

    kind: ClassVar[str] = "sampler"

    @property
    def own_model(self) -> str | None:
        """The name of the model that its options say it samples from, whatever it is given; None for what is given."""
        return None

    @abstractmethod
    async def sample(
        self, model: LiveModel | Path, tasks: Sequence[Task], group_size: int, sampling: Sampling
    ) -> list[list[Rollout]]:
        """`group_size` rollouts of each task, in order. `model` is in memory, or a checkpoint directory.

        The same model, tasks and sampling give the same rollouts. Raises GuerdonError.
        """


@dataclass(frozen=True)
class Budget:
    """What one judging may use in a worker before it is killed.

    `memory_mb` (MiB) is address space on top of what the worker holds once its plug is open.
    """

    cpu_seconds: float = 5.0
    wall_seconds: float = 10.0
    memory_mb: int = 2048


Isolation = Literal["worker", "inline", "resident"]


class Reward(Plug):
    """Something that says what rollouts are worth. Most rewards are a `Verifier` or a `GroupReward`.

    Where a reward runs follows from how it is written. `async def` runs on the mixture's loop, under `concurrency` and
    the wall-clock budget. A plain `def` runs in a worker process that can be killed, unless `isolation` says:

    - `"inline"`: on the mixture's loop. Only for cheap code, linear in its input, that you would trust with your run.
    - `"resident"`: in one long-lived worker that judges whole batches, without a memory limit. For models.
    """

    kind: ClassVar[str] = "reward"
    isolation: ClassVar[Isolation] = "worker"
    budget: ClassVar[Budget] = Budget()
    concurrency: ClassVar[int] = 64
    """How many judgings of an `async def` reward run at the same time."""
    model_based: ClassVar[bool] = False
    """Whether its scores are a model's opinion, which a policy may learn to please without getting better. Runs show
    what such a term goes along with, and warn when it rises while a verified one falls."""
    preload: ClassVar[tuple[str, ...]] = ()
    """Modules that are imported once, before workers are forked: what a judging would otherwise wait for."""
    ground_truth_type: ClassVar[Any] = Any
    """What the reward takes as `task.ground_truth`, as a type annotation. Anything else is a `bad_ground_truth`."""

    @abstractmethod
    async def score(self, rollouts: Sequence[Rollout]) -> list[Score]:
        """One score for each rollout, in order."""

    @classmethod
    def is_async(cls) -> bool:
        """Whether it is written with `async def`, and so runs on the mixture's loop."""
        return cls.isolation != "resident"

    def at_once(self) -> int:
        """How many judgings of an `async def` reward run at the same time: `concurrency`, unless its options say."""
        return self.concurrency

    def canonical(self, task: Task) -> str | None:
        """A completion that must earn 1 for this task, made from its ground truth; None if there is no such thing.

        `guerdon check` proves the verifier with it, and core tells a bad completion from a broken verifier.
        """
        return None


class Verifier(Reward):
    """A reward that judges rollouts one by one."""

    @abstractmethod
    def verify(self, rollout: Rollout) -> Score | float | bool | Awaitable[Score | float | bool]:
        """What this rollout is worth. For a plain number core writes the reason. May be `async def`."""

    @classmethod
    def is_async(cls) -> bool:
        """Whether `verify` is written with `async def`, and it is not resident."""
        return super().is_async() and inspect.iscoroutinefunction(cls.verify)

    async def score(self, rollouts: Sequence[Rollout]) -> list[Score]:
        """`verify`, rollout by rollout, in this process."""
        from guerdon.judging import judge

        return [score for rollout in rollouts for score in await judge(self, [rollout])]


class GroupReward(Reward):
    """A reward that judges all rollouts of one task against each other."""

    @abstractmethod
    def score_group(
        self, group: Sequence[Rollout]
    ) -> Sequence[Score | float | bool] | Awaitable[Sequence[Score | float | bool]]:
        """One score for each rollout of the group, in order. May be `async def`."""

    @classmethod
    def is_async(cls) -> bool:
        """Whether `score_group` is written with `async def`, and it is not resident."""
        return super().is_async() and inspect.iscoroutinefunction(cls.score_group)

    async def score(self, rollouts: Sequence[Rollout]) -> list[Score]:
        """`score_group` of the rollouts, as one group, in this process."""
        from guerdon.judging import judge

        return await judge(self, rollouts)


class Sandbox(Plug):
    """A place where model-written code may run."""

    kind: ClassVar[str] = "sandbox"

    timeout: float = Field(10.0, gt=0)
    """CPU seconds that one run of a program may use. By the clock it may take three times as long."""
    memory_mb: int = Field(512, ge=64)
    """Memory (MiB) that a program, all that it starts and the files that it writes may use together."""

    @property
    def places(self) -> int:
        """How many programs run at the same time; more than that wait. One a core unless a sandbox says otherwise."""
        return len(os.sched_getaffinity(0))

    @property
    def limits(self) -> Limits:
        """What a program may use unless whoever starts it has reasons to say otherwise."""
        return Limits(self.timeout, 3 * self.timeout, self.memory_mb)

    @abstractmethod
    def start(self, program: Program, limits: Limits) -> AbstractAsyncContextManager[Running]:
        """Start a program, as soon as there is room. Whatever is left of it ends with the context.

        Nothing that one program leaves behind can be found by another. Raises Unavailable where nothing can be started.
        """

    def build(self, say: Callable[[str], None]) -> None:
        """Make what programs are run in, such as an image; `say` takes a line of progress. Nothing by default."""

    def clean(self, say: Callable[[str], None]) -> None:
        """Remove what `build` has made and crashed runs have left behind. Nothing by default."""


class Tasks(Plug):
    """A source of tasks."""

    kind: ClassVar[str] = "tasks"

    @abstractmethod
    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]  # pydantic iterates over fields; tasks are meant
        """The tasks, in the same order every time."""


@dataclass(frozen=True)
class Run:
    """What a run file describes, built and ready: one stage of it. A trainer is handed one.

    The mixture is open, unless the trainer says that it is judged elsewhere; the sampler is opened by whoever uses it.
    """

    directory: Path
    seed: int
    mixture: "Mixture"
    journal: "Journal"
    """Where the trainer says what happens, and what it goes on from after an interruption."""
    stage: str = "train"
    start: Path | None = None
    """The checkpoint directory of the earlier stage that this one starts from."""
    tasks: Tasks | None = None
    policy: Policy | None = None
    sampler: Sampler | None = None
    trainer: "Trainer | None" = None
    evaluator: "Evaluator | None" = None
    trackers: Sequence[str] = ()
    """The listening plugins that the run file asks for."""

    @property
    def workdir(self) -> Path:
        """Where the trainer may keep what it needs besides: files of this stage only, which `--overwrite` removes."""
        return self.directory / "stages" / self.stage

    def checkpoint(self) -> Path:
        """The Hugging Face checkpoint directory that the stage begins with."""
        assert self.policy is not None
        return self.policy.checkpoint(self.directory / "policies" / self.stage, self.start)

    async def evaluate(self, model: LiveModel | Path, step: int, last: bool = False) -> Mapping[str, float]:
        """What an evaluation of the model says after this step of the stage, by metric; empty where none is due.

        `last`: this is the last step of the stage. The sampler must be open.
        """
        if self.evaluator is None or self.sampler is None:
            return {}
        return await self.evaluator.after(step, last, model, self.sampler)


class Trainer(Plug):
    """Something that makes a policy better."""

    kind: ClassVar[str] = "trainer"
    requires: ClassVar[tuple[str, ...]] = ("policy", "tasks")
    """The tables of the run file that it cannot do without."""
    judges_elsewhere: ClassVar[bool] = False
    """Whether its rollouts are judged by processes that it starts, so that nothing of the mixture is opened here."""

    @abstractmethod
    def fit(self, run: Run) -> None:
        """Train until done. The run's journal says how far it came, and hears of every step."""

    def dry_run(self, run: Run) -> str:
        """What `fit` would start, for a person to read. Starts nothing, and writes nothing.

        Raises GuerdonError for whatever `fit` would refuse and that can be known before.
        """
        return "trains in this process"


KINDS: dict[str, type[Plug]] = {kind.kind: kind for kind in (Policy, Sampler, Reward, Trainer, Sandbox, Tasks)}
"""Every kind of plug, by its name in the run file."""
