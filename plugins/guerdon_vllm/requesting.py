"""From tasks to requests, and from their answers to rollouts: what is missing is asked for, and all of it kept."""

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from guerdon import DataError, GuerdonError, Rollout, Task
from guerdon.endpoints import Cache, Endpoint, Refused
from guerdon_vllm.answers import Answer, answers_of


@dataclass(frozen=True)
class Request:
    """What is sent for a task, but for `n` and `seed`, and a key for each completion that is wanted."""

    task: Task
    body: Mapping[str, Any]
    keys: Sequence[str]


def requests_of(
    tasks: Sequence[Task], group_size: int, fixed: Mapping[str, Any], *, chat: bool, told: Sequence[Any]
) -> list[Request]:
    """One for each task. `fixed` is what all of them send, `told` what else makes a completion another one.

    A key is made of all that determines the request, and of the completion's number; a task that is there twice is
    asked for twice. Raises DataError for a prompt that cannot be sent.
    """
    seen: Counter[str] = Counter()
    requests = []
    for task in tasks:
        body = {**fixed, **_prompt(task, chat)}
        try:
            identity = json.dumps([*told, body], sort_keys=True, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            what = "its prompt holds half a character (a lone surrogate), which cannot be sent"
            raise DataError(f"task '{task.id}'", what, "mend the prompt, or leave the task out") from None
        asked = hashlib.sha256(identity).hexdigest()
        numbers = range(seen[asked], seen[asked] + group_size)
        seen[asked] += group_size
        requests.append(Request(task, body, [hashlib.sha256(f"{asked} {n}".encode()).hexdigest() for n in numbers]))
    return requests


def _prompt(task: Task, chat: bool) -> dict[str, Any]:
    prompt = task.prompt
    if isinstance(prompt, str):
        return {"messages": [{"role": "user", "content": prompt}]} if chat else {"prompt": prompt}
    if not chat:
        way_out = 'set `endpoint = "chat"`, or give the prompt as text'
        raise DataError(f"task '{task.id}'", "its prompt is a list of messages, and completions are of text", way_out)
    return {"messages": [dict(message) for message in prompt]}


@dataclass
class Round:
    """The requests of one call. When one fails for a reason that others share, only those under way are waited for."""

    endpoint: Endpoint
    cache: Cache | None
    at_once: int
    """How many completions a request asks for at most."""
    seeded: bool
    """Whether requests have a `seed`."""
    longest: int
    """Tokens that a completion may have."""
    found: dict[str, Answer] = field(default_factory=dict)
    refused: list[GuerdonError] = field(default_factory=list)
    hopeless: GuerdonError | None = None
    jobs: list["asyncio.Task[None]"] = field(default_factory=list)

    async def complete(self, requests: Sequence[Request]) -> list[list[Rollout]]:
        """The rollouts of each request. Raises GuerdonError once nothing more is under way."""
        if self.cache is not None:
            for key in (key for request in requests for key in request.keys):
                if (kept := self.cache.get(key)) is not None:
                    try:
                        self.found[key] = Answer(**kept)
                    except TypeError as error:
                        raise self.cache.unusable(error) from None
        for request in requests:
            missing = [key for key in request.keys if key not in self.found]
            for some in (missing[start : start + self.at_once] for start in range(0, len(missing), self.at_once)):
                self.jobs.append(asyncio.create_task(self._fill(request, some)))
        try:
            await asyncio.gather(*self.jobs, return_exceptions=True)
        finally:
            for job in self.jobs:
                job.cancel()
        for job in self.jobs:
            if not job.cancelled():
                job.result()
        if self.hopeless is not None or self.refused:
            raise self._failure()
        return [[_rollout(request.task, self.found[key]) for key in request.keys] for request in requests]

    async def _fill(self, request: Request, missing: Sequence[str]) -> None:
        while missing and self.hopeless is None:
            body = dict(request.body)
            if self.seeded:
                body["seed"] = int(missing[0][:8], 16) >> 1
            if len(missing) > 1:
                body["n"] = len(missing)
            path = "/chat/completions" if "messages" in body else "/completions"
            most = len(json.dumps(request.body)) // 3 + len(missing) * self.longest
            try:
                answers = await self.endpoint.ask(path, body, most, answers_of, lambda: self.hopeless is None)
                new = dict(zip(missing, answers, strict=False))  # a server may give fewer than `n`
                if self.cache is not None:
                    self.cache.put({key: asdict(answer) for key, answer in new.items()})
            except Refused as refused:
                error = GuerdonError(f"task '{request.task.id}'", refused.what, refused.way_out)
                if refused.only_this:
                    self.refused.append(error)
                else:
                    self._give_up(error)
                return
            except DataError as error:
                self._give_up(error)
                return
            self.found |= new
            missing = missing[len(new) :]

    def _give_up(self, error: GuerdonError) -> None:
        self.hopeless = self.hopeless or error
        for job in {*self.jobs} - self.endpoint.sending - {asyncio.current_task()}:
            job.cancel()

    def _failure(self) -> GuerdonError:
        first, more = self.hopeless or self.refused[0], ""
        others = len({one.where for one in self.refused} - {first.where})
        if others and self.hopeless is None:
            more = f" (and of {others} more task{'s'[: others != 1]})"
        if self.cache is not None:
            kept = f"what was completed is kept in {self.cache.path}"
        else:
            kept = "set `cache` to a file, so that what was completed is kept"
        return type(first)(first.where, first.what + more, f"{first.way_out}; {kept}")


def _rollout(task: Task, answer: Answer) -> Rollout:
    return Rollout(
        task,
        answer.completion,
        truncated=answer.truncated,
        prompt_ids=answer.prompt_ids,
        completion_ids=answer.completion_ids,
        logprobs=answer.logprobs,
    )
