"""What is asked and what is answered: `/score`, `/get_reward` and `/health`."""

import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from guerdon.errors import GuerdonError, RewardBroken
from guerdon.ledger import verdict
from guerdon.remote.fingerprint import described, difference, fingerprint
from guerdon.remote.protocol import FINGERPRINT_HEADER
from guerdon.serving import schema
from guerdon.serving.get_reward import NO_ROLLOUT, Protocol
from guerdon.serving.reading import read_object, read_rollouts
from guerdon.serving.refusals import Refusal
from guerdon.serving.service import Service
from guerdon.totals import Total

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

log = logging.getLogger("guerdon")


class Answers:
    """The answers of one server."""

    def __init__(self, service: Service, protocol: Protocol, about: Mapping[str, Any]) -> None:
        """`about`: what `/health` says that never changes."""
        self.service, self.protocol = service, protocol
        terms = service.mixture.terms
        self.about = {
            **about,
            "terms": described(terms),
            "fingerprint": fingerprint(terms),
            "needs_groups": service.mixture.needs_groups,
        }
        self.unread = False

    async def score(self, request: "Request") -> Mapping[str, Any]:
        """Rollouts in, and of each what the mixture says, with all terms and reasons."""
        self._check_meant(request.headers.get(FINGERPRINT_HEADER))
        asked = await read_object(request)
        rollouts, groups = read_rollouts(asked, self.service.mixture.needs_groups)
        totals = await self.service.judge(rollouts, groups, patient=False)
        return {"scores": [verdict(total) for total in totals]}

    async def get_reward(self, request: "Request") -> Mapping[str, Any]:
        """The protocol of OpenRLHF's remote rewards. Its client gives up soon: it waits for room here."""
        if self.service.mixture.needs_groups:
            what = "a reward compares the rollouts of a group, and OpenRLHF asks for each by itself"
            raise Refusal(422, [GuerdonError("get_reward", what, "use the trainer `openrlhf`, or /score")])
        asked = self.protocol.rollouts(await read_object(request))
        known = [rollout for rollout in asked if rollout is not None]
        judged = iter(await self.service.judge(known, None, patient=True))
        totals = [NO_ROLLOUT if rollout is None else next(judged) for rollout in asked]
        self._note_unread(totals)
        return self.protocol.answer(totals)

    async def health(self, request: "Request") -> Mapping[str, Any]:
        """What is served here, and how it goes."""
        service = self.service
        return {
            "status": "draining" if service.draining else "broken" if service.broken else "ok",
            **self.about,
            "queue": {"size": service.size, "inside": service.inside},
            "scored": service.scored,
            "outcomes": dict(service.outcomes),
            "draining": service.draining,
            "broken": str(service.broken) if service.broken else None,
        }

    def _check_meant(self, expected: str | None) -> None:
        if expected is not None and expected != self.about["fingerprint"]:
            raise Refusal(409, [GuerdonError("server", difference(self.about, expected), "give both one run file")])

    def _note_unread(self, totals: Sequence[Total]) -> None:
        unread = [total for total in totals if total is NO_ROLLOUT]
        if unread:
            self.service.count(unread)
            if not self.unread:
                log.warning("get_reward: %s; such rollouts are paid the substitute", NO_ROLLOUT.reason)
                self.unread = True


def application(answers: Answers, version: str) -> "FastAPI":
    """The application that answers, to be served by any ASGI server."""
    from fastapi import FastAPI

    app = FastAPI(title="guerdon serve", version=version)
    refusals: dict[int | str, dict[str, Any]] = {status: {"model": schema.Errors} for status in (413, 422, 500, 503)}
    app.post(
        "/score",
        responses={200: {"model": schema.Scores}, **refusals},
        openapi_extra={"requestBody": {"content": {"application/json": {"schema": schema.REQUEST}}, "required": True}},
    )(_answering(answers.score))
    app.post("/get_reward", responses=refusals)(_answering(answers.get_reward))
    app.get("/health")(_answering(answers.health))
    return app


def _answering(
    answer: Callable[["Request"], Coroutine[Any, Any, Mapping[str, Any]]],
) -> Callable[["Request"], Awaitable["Response"]]:
    """The answer as JSON, and what it raises as a refusal."""
    from fastapi import Request, Response

    # The rows are read by hand: models of them would cost more than the judging of many.
    async def respond(request: Request) -> Response:
        try:
            said = json.dumps(await answer(request), separators=(",", ":"))
            return Response(said, media_type="application/json")
        except Refusal as error:
            refusal = error
        except RewardBroken as error:
            refusal = Refusal(500, [error])
        except GuerdonError as error:
            # Only the end of the mixture raises others.
            refusal = Refusal(503, [error], retry_after=5.0)
        except Exception as error:
            log.exception("a request failed in guerdon itself")
            refusal = Refusal(500, [GuerdonError("server", f"{type(error).__name__}: {error}", "see its log")])
        return Response(refusal.body, refusal.status, dict(refusal.headers))

    respond.__name__, respond.__doc__ = answer.__name__, answer.__doc__
    return respond
