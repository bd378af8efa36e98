"""One judge: a question in, a verdict out, from the cache or from its endpoint; and who is to blame where none comes.

A lost connection says nothing of a completion: `Unavailable`. A reply that is no verdict may have been caused by it:
the question is repeated, and then asked with a harmless answer. If the judge judges that, the completion did it; if
not, the judge is of no use at the moment, which is `Unavailable` too.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from guerdon import Unavailable
from guerdon.endpoints import Cache, Endpoint, Malformed, Refused, choices_of, message_of
from guerdon_judge.question import Question, Seal, messages_of
from guerdon_judge.verdict import NOT_TAKEN, REFUSAL, TOO_LONG, Mark, Unusable, schema_of, verdict_of

if TYPE_CHECKING:
    from guerdon_judge.options import JudgeModel

ATTEMPTS = 6
"""How often a question is asked until its answer counts as none: a judge of whom one reply in ten is no verdict blames
one completion in a million."""
LARGEST_BODY = 4 << 20
"""Bytes of an answer that are read. Thinking may be long."""


@dataclass
class Spent:
    """What a verdict has cost. Tokens are 0 where the server does not say."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """Marks by name, or why there are none and which parts of the question are to blame."""

    marks: Mapping[str, Mark]
    spent: Spent
    failure: str | None = None
    kind: str | None = None
    guilty: Sequence[str] = ()

    def kept(self) -> dict[str, Any]:
        """As a JSON value, without what it has cost."""
        plain = asdict(self)
        del plain["spent"]
        return plain

    @classmethod
    def from_kept(cls, kept: Mapping[str, Any]) -> "Verdict":
        """One that costs nothing now."""
        marks = {name: Mark(**mark) for name, mark in kept["marks"].items()}
        return cls(**{**kept, "marks": marks}, spent=Spent())


@dataclass(frozen=True)
class Reply:
    """What a judge has said."""

    content: str
    kind: str | None
    """Why it can be no verdict, if so."""
    prompt_tokens: int
    completion_tokens: int


@dataclass
class OpenJudge:
    """A judge, for the loop that asks it."""

    options: "JudgeModel"
    endpoint: Endpoint
    cache: Cache | None
    structured: bool | None = None
    """Whether the server takes a schema; None until it has shown."""
    turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """What is asked at the moment, so that nobody else asks the same."""

    async def verdict(self, question: Question, number: int) -> Verdict:
        """The verdict on a question that is asked for the `number`th time.

        Raises Unavailable, and DataError for a cache that cannot be used.
        """
        told = [self.options.base_url.rstrip("/"), self._fixed(), ATTEMPTS, number]
        identity = json.dumps([*told, question.identity()], sort_keys=True)
        key = hashlib.sha256(identity.encode()).hexdigest()
        turn = self.turns.setdefault(key, asyncio.Lock())
        async with turn:
            if self.cache is not None and (kept := self.cache.get(key)) is not None:
                try:
                    return Verdict.from_kept(kept)
                except (LookupError, TypeError, AttributeError) as error:
                    raise self.cache.unusable(error) from None
            verdict = await self._asked(question, key)
            if self.cache is not None:
                self.cache.put({key: verdict.kept()})
            return verdict

    async def _asked(self, question: Question, key: str) -> Verdict:
        spent = Spent()
        try:
            return Verdict(await self._marks(question, key, spent), spent)
        except Unusable as error:
            failure = error
        parts = list(question.answers)
        try:
            await self._marks(question.harmless(*parts), f"{key} control", spent)
        except Unusable as error:
            what = f"{self.options.model} gives no verdict ({failure}), not even of a harmless answer ({error})"
            raise Unavailable(what) from None
        guilty = []
        for part in parts if len(parts) > 1 else []:
            others = [other for other in parts if other != part]
            try:
                await self._marks(question.harmless(*others), f"{key} {part}", spent)
            except Unusable:
                guilty.append(part)
        return Verdict({}, spent, str(failure), failure.kind, guilty or parts)

    async def _marks(self, question: Question, key: str, spent: Spent) -> dict[str, Mark]:
        """Raises Unusable once it is so again and again."""
        failure = None
        for attempt in range(ATTEMPTS):
            seed = int(hashlib.sha256(f"{key} {attempt}".encode()).hexdigest()[:8], 16) >> 1
            try:
                return await self._once(question, seed, spent)
            except Unusable as error:
                failure = error
                if failure.kind == NOT_TAKEN:
                    break
        assert failure is not None
        raise failure

    async def _once(self, question: Question, seed: int, spent: Spent) -> dict[str, Mark]:
        seal = Seal.drawn(question)
        names = list(question.wanted)
        body = {**self._fixed(), "messages": messages_of(question, seal)}
        if "seed" not in self.options.leave_out:
            body["seed"] = seed
        try:
            reply = await self._reply(body, schema_of(names, question.highest), spent)
        except Refused as refused:
            if refused.only_this:
                raise Unusable(NOT_TAKEN, refused.what) from None
            raise Unavailable(f"transport: {refused.what}; {refused.way_out}") from None
        spent.prompt_tokens += reply.prompt_tokens
        spent.completion_tokens += reply.completion_tokens
        spent.cost += self.options.cost(reply.prompt_tokens, reply.completion_tokens)
        if reply.kind is not None:
            raise Unusable(reply.kind, f"{self.options.model} says {reply.content[:100]!r}")
        return verdict_of(reply.content, seal.canary, names, question.highest)

    async def _reply(self, body: Mapping[str, Any], schema: Mapping[str, Any], spent: Spent) -> Reply:
        """The reply, held to the schema where the server can."""
        if self.structured is not False:
            shape = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
            try:
                reply = await self._send({**body, "response_format": shape}, spent)
                self.structured = True
                return reply
            except Refused as refused:
                if not refused.only_this or self.structured:
                    raise
        reply = await self._send(body, spent)
        if self.structured is None:
            self.structured = False  # it was the schema that was refused
        return reply

    async def _send(self, body: Mapping[str, Any], spent: Spent) -> Reply:
        spent.requests += 1
        most = len(json.dumps(body["messages"])) // 3 + self.options.max_tokens
        return await self.endpoint.ask("/chat/completions", body, most, _read)

    def _fixed(self) -> dict[str, Any]:
        options = self.options
        usual: dict[str, Any] = {"temperature": options.temperature, "max_tokens": options.max_tokens}
        sent = {name: value for name, value in usual.items() if name not in options.leave_out}
        return {"model": options.model, **sent, **options.extra_body}


def _read(text: str) -> tuple[Reply, int | None]:
    choices, body = choices_of(text)
    message = message_of(choices[0])
    raw = choices[0].get("message")
    refusal = raw.get("refusal") if isinstance(raw, dict) else None
    if refusal is not None and not isinstance(refusal, str):
        raise Malformed("has a refusal that is no text")
    kind = TOO_LONG if message.truncated else None
    if refusal or message.finish_reason == "content_filter":
        kind = REFUSAL
    usage = body.get("usage")
    asked, answered = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    return Reply(refusal or message.content, kind, asked, answered), asked + answered or None


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and value > 0 else 0
