"""A judge behind an API, over real sockets: honest, gullible, confused, or out of order, as a test says."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from chat_server import Behaviour, ChatServer, Handler, choice, completion

from guerdon import Mixture, Rollout, Score, Task, Term, opened
from guerdon_judge import Judge, JudgePairs

Rule = Callable[[Mapping[str, str]], Mapping[str, Any]]
"""From the parts of a question to the marks."""


class JudgeServer(ChatServer):
    """Gives what `rule` says to whatever it is asked, unless `behave` says what else is done."""

    def __init__(self) -> None:
        super().__init__()
        self.rule: Rule = lambda parts: {}
        self.usual = 7
        self.behave = lambda number, asked: self.judges

    def judges(self, handler: Handler, body: dict[str, Any]) -> None:
        handler.answer(said(body, self.verdict(body)))

    def verdict(self, body: Mapping[str, Any], **changes: Any) -> str:
        marks = dict.fromkeys(wanted_of(body), self.usual) | dict(self.rule(parts_of(body)))
        full = {name: {"reason": f"because of {name}", "mark": mark} for name, mark in marks.items()}
        return json.dumps({"canary": canary_of(body), "marks": full, **changes})

    def about(self, text: str, behaviour: Behaviour) -> None:
        """Do this whenever an answer holds `text`, and judge the others."""
        self.behave = lambda number, asked: behaviour if text in "".join(answers_of(asked.body)) else self.judges

    @property
    def parts(self) -> list[dict[str, str]]:
        return [parts_of(asked.body) for asked in self.asked]


def said(body: Mapping[str, Any], content: str | None, finish_reason: str = "stop", **message: Any) -> dict[str, Any]:
    """A whole answer of the API."""
    given = {"role": "assistant", "content": content, **message}
    return completion(body, choice(body, message=given, finish_reason=finish_reason), tokens=10)


def says(content: str | None, finish_reason: str = "stop", **message: Any) -> Behaviour:
    return lambda handler, body: handler.answer(said(body, content, finish_reason, **message))


def system_of(body: Mapping[str, Any]) -> str:
    return str(body["messages"][0]["content"])


def canary_of(body: Mapping[str, Any]) -> str:
    return re.findall(r'"canary": "([0-9a-f]+)"', system_of(body))[-1]


def boundary_of(body: Mapping[str, Any]) -> str:
    return re.findall(r'"BEGIN name ([0-9a-f]+)"', system_of(body))[0]


def wanted_of(body: Mapping[str, Any]) -> list[str]:
    return list(json.loads(system_of(body).splitlines()[-1])["marks"])


def parts_of(body: Mapping[str, Any]) -> dict[str, str]:
    """The parts of the user's message, as whoever knows the boundary reads them."""
    boundary = boundary_of(body)
    pattern = rf"^BEGIN (\w+) {boundary}\n(.*?)\nEND \1 {boundary}$"
    return dict(re.findall(pattern, body["messages"][1]["content"], re.DOTALL | re.MULTILINE))


def answers_of(body: Mapping[str, Any]) -> list[str]:
    return [text for name, text in parts_of(body).items() if name in ("answer", "A", "B")]


TASK = Task("t", "What is 6 × 7?", ground_truth="42")


def at(server: ChatServer, **options: Any) -> dict[str, Any]:
    """The table of a judge at this server."""
    return {"base_url": server.url, "model": "tiny", **options}


def scores(reward: Judge | JudgePairs, *completions: str, task: Task = TASK) -> list[Score]:
    """What they get in a mixture, as one group."""
    rollouts = [Rollout(task, text) for text in completions]
    with Mixture([Term("judged", reward)], workers=1) as mixture:
        totals = mixture.submit(rollouts, ["g"] * len(rollouts)).result()
    return [total.terms["judged"].score for total in totals]


def settled(reward: Judge | JudgePairs, *completions: str, task: Task = TASK) -> list[Score]:
    """What the reward itself says of them, without a mixture around it."""
    rollouts = [Rollout(task, text) for text in completions]

    async def work() -> list[Score]:
        async with opened(reward):
            return await reward.score(rollouts)

    return asyncio.run(work())
