"""What all rewards that ask judges have in common: the judges, and what they are shown."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from guerdon import Budget, GuerdonError, Reward, Rollout
from guerdon.endpoints import OPENAI, Cache, EndpointOptions
from guerdon_judge.judging import LARGEST_BODY, OpenJudge, Verdict
from guerdon_judge.question import Question
from guerdon_judge.voting import Vote


class JudgeModel(EndpointOptions):
    """A model that judges, and the endpoint that serves it."""

    set_here: ClassVar[tuple[str, ...]] = (*EndpointOptions.set_here, "response_format")

    concurrency: int = Field(64, ge=1)
    """How many requests are waited for at the same time."""
    temperature: float = Field(0.0, ge=0)
    """How a verdict is drawn; 0 for the likeliest. With `times` above 1, take more."""
    max_tokens: int = Field(2048, ge=1)
    """How many tokens a reply may have, thinking included. One that needs more is no verdict."""
    prompt_price: float = Field(0.0, ge=0)
    """What a million tokens of prompts cost, in whatever currency, for the `cost` in the evidence."""
    completion_price: float = Field(0.0, ge=0)
    """What a million tokens of replies cost."""

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt_price + completion_tokens * self.completion_price) / 1e6


class Criterion(BaseModel):
    """One thing that a rubric looks at."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(min_length=1, max_length=64)
    """Its name, in the verdict and in the evidence."""
    what: str = Field(min_length=1)
    """What is asked of an answer, as the judge reads it."""
    weight: float = Field(1.0, gt=0)
    """What it counts among the others."""


class AsksJudges(Reward):
    """A reward whose scores are verdicts of models."""

    needs: ClassVar[Mapping[str, str]] = OPENAI
    model_based: ClassVar[bool] = True
    budget: ClassVar[Budget] = Budget(wall_seconds=86_400.0)
    """Only in case that all else fails: a judging waits for its turn, and each request has `total_timeout`."""

    judges: tuple[JudgeModel, ...] = Field(min_length=1)
    """The models that judge, each a table of its own."""
    vote: Vote = "mean"
    """What several judges come to together: the `mean` or the `median` of what each gives, or 1 where the `majority`
    gives more than half, 0 where it gives less, and 0.5 for a tie. If one cannot be reached, there is no score."""
    times: int = Field(1, ge=1)
    """How often each judge is asked the same; the mean counts."""
    highest: int = Field(10, ge=1)
    """The best mark that a judge can give; the worst is 0. A score is a mark divided by it."""
    scope: Literal["answer", "completion"] = "answer"
    """What judges see: what follows the thinking, or all of it. An empty one earns 0, and nobody is asked."""
    instructions: str = ""
    """What judges are told besides, such as what kind of tasks these are."""
    total_timeout: float = Field(900.0, gt=0)
    """Seconds that one request may take with its repetitions and the pauses that a server asks for. Waiting for its
    turn does not count."""
    cache: Path | None = None
    """A file that keeps every verdict, so that after an interruption, or in another run, nothing is asked twice."""

    _open: tuple[AsyncExitStack, list[OpenJudge]] | None = PrivateAttr(None)

    def at_once(self) -> int:
        """More than there are places at the endpoints, so that none of those is ever free while others wait."""
        return 2 * max(judge.concurrency for judge in self.judges)

    async def open(self) -> None:
        """Make the clients and open the cache. Nothing is sent yet. Raises DataError for a cache that is none."""
        stack = AsyncExitStack()
        cache = Cache(self.cache) if self.cache else None
        if cache is not None:
            stack.callback(cache.close)
        judges = []
        for options in self.judges:
            endpoint = options.endpoint_opened(self.total_timeout, LARGEST_BODY)
            stack.push_async_callback(endpoint.client.close)
            judges.append(OpenJudge(options, endpoint, cache))
        self._open = (stack, judges)

    async def close(self) -> None:
        """Close all of them."""
        if self._open is not None:
            stack, _ = self._open
            self._open = None
            await stack.aclose()

    async def ask(self, rounds: Sequence[tuple[Question, int]]) -> list[list[Verdict]]:
        """What each judge says, in order: its verdict of each question, which is asked for the so manieth time.

        Raises what stood in the way of one of them, once all others are answered and kept.
        """
        if self._open is None:
            raise GuerdonError(f"reward '{self.name}'", "is not open", "use it inside `async with guerdon.opened(…)`")
        _, judges = self._open
        found = await asyncio.gather(
            *(judge.verdict(question, number) for judge in judges for question, number in rounds),
            return_exceptions=True,
        )
        verdicts = []
        for one in found:
            if isinstance(one, BaseException):
                raise one
            verdicts.append(one)
        size = len(rounds)
        return [verdicts[start : start + size] for start in range(0, len(verdicts), size)]

    def told(self, task: str) -> str:
        """The instructions: what a judge is for, and what the user has said besides."""
        return "\n\n".join(filter(None, [task, self.instructions]))

    def shown(self, rollout: Rollout) -> str:
        """What judges see of a rollout."""
        return rollout.answer if self.scope == "answer" else rollout.text
