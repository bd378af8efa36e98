"""Requests in: bodies of a bounded size, JSON, and rows that become rollouts, every mistake named."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from guerdon.columns import rollout_of
from guerdon.errors import DataError, GuerdonError
from guerdon.jsonvalues import parse
from guerdon.serving.refusals import Refusal
from guerdon.types import Rollout, Task

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST_BODY = 64 << 20
"""Bytes."""
MOST_MISTAKES = 20
"""Named in one answer."""


async def read_object(request: "Request") -> Mapping[str, Any]:
    """The JSON object that a request holds. Raises Refusal."""
    try:
        value = parse((await _body(request)).decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        raise Refusal(422, [DataError("body", f"is not UTF-8 (byte {error.start})", "send JSON as UTF-8")]) from None
    except ValueError as error:
        raise Refusal(422, [DataError("body", f"is not JSON: {error}", "send a JSON object")]) from None
    if not isinstance(value, dict):
        raise Refusal(422, [DataError("body", f"is no object, but {_kind(value)}", "send a JSON object")])
    return value


def read_rollouts(value: Mapping[str, Any], grouped: bool) -> tuple[list[Rollout], list[str] | None]:
    """The rollouts of `{"rollouts": [row, …]}`, and their groups where these count. Raises Refusal."""
    rows = value.get("rollouts")
    if not isinstance(rows, list):
        way_out = 'send {"rollouts": [{"prompt": …, "completion": …}, …]}'
        raise Refusal(422, [DataError("rollouts", f"is no list, but {_kind(rows)}", way_out)])
    mistakes: list[GuerdonError] = []
    rollouts: list[Rollout] = []
    groups: list[str] = []
    tasks: dict[str, Task] = {}
    for number, row in enumerate(rows):
        where = f"rollouts[{number}]"
        try:
            if not isinstance(row, dict):
                raise DataError(where, f"is no object, but {_kind(row)}", "its keys are the columns of a rollout")
            rollout, group = rollout_of(row, where)
            if grouped and group is None:
                way_out = "name it in every row; all rollouts of one group come in one request"
                raise DataError(where, "has no `group`, and a reward compares the rollouts of a group", way_out)
        except DataError as error:
            mistakes.append(error)
            continue
        rollouts.append(with_known_task(rollout, tasks))
        groups.append(group or "")
    if mistakes:
        raise Refusal(422, mistakes[:MOST_MISTAKES], mistakes=len(mistakes))
    return rollouts, groups if grouped else None


def with_known_task(rollout: Rollout, tasks: dict[str, Task]) -> Rollout:
    """The rollout, with the same task as others of the same task: a mixture judges equal rollouts of a task once."""
    known = tasks.setdefault(rollout.task.id, rollout.task)
    if known is rollout.task or known != rollout.task:
        return rollout
    return replace(rollout, task=known)


async def _body(request: "Request") -> bytes:
    too_large = Refusal(
        413, [DataError("body", f"is larger than {LARGEST_BODY >> 20} MiB", "send fewer rollouts at once")]
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > LARGEST_BODY:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise too_large
    return bytes(body)


def _kind(value: Any) -> str:
    kinds = {type(None): "missing or null", bool: "true or false", str: "text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")
