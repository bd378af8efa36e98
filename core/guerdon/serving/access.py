"""Who may ask: whoever has the token, and without one only this machine."""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from guerdon.errors import GuerdonError
from guerdon.remote.protocol import TOKEN_VARIABLE
from guerdon.serving.refusals import Refusal

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Any, Send], Awaitable[None]]


def check_exposed(address: str, token: str | None) -> None:
    """Raise GuerdonError for an address (of a bound socket) that others reach, without a token."""
    if token is None and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        what = "can be reached from other machines, and there is no token that they would need"
        way_out = f"set {TOKEN_VARIABLE} in the environment of server and clients, or listen on 127.0.0.1"
        raise GuerdonError(f"--host {address}", what, way_out)


class Guarded:
    """An ASGI application behind a token."""

    def __init__(self, app: App, token: str | None) -> None:
        self.app = app
        self.token = None if token is None else token.encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Send) -> None:
        """Let a request through, or answer 401."""
        if scope["type"] != "http" or self.token is None or self._knows(dict(scope["headers"])):
            await self.app(scope, receive, send)
            return
        what = f"wants the bearer token that is {TOKEN_VARIABLE} in its environment"
        refusal = Refusal(401, [GuerdonError("server", what, "send it as `Authorization: Bearer …`")])
        headers = [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
        await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await send({"type": "http.response.body", "body": refusal.body})

    def _knows(self, headers: dict[bytes, bytes]) -> bool:
        assert self.token is not None
        scheme, _, said = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"basic":
            # OpenRLHF can send no header, but its client makes one of http://any:TOKEN@host/get_reward.
            try:
                said = base64.b64decode(said, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != b"bearer":
            return False
        return hmac.compare_digest(said.strip(), self.token)
