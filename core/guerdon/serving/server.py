"""A server from its socket to its end: it listens, answers, and finishes what it has before it goes."""

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from guerdon.errors import GuerdonError, PluginError
from guerdon.remote.protocol import INSTALL
from guerdon.serving.service import Service

if TYPE_CHECKING:
    from uvicorn import Server

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
"""Longer than clients keep a connection that they do not use, so that it is never closed under a request."""
FAREWELL_SECONDS = 5
"""For the last bytes of the last answers."""
REPORT_SECONDS = 10.0


def check_installed() -> None:
    """Raise PluginError if what a server is made of is missing."""
    for module in ("fastapi", "uvicorn"):
        if find_spec(module) is None:
            raise PluginError("guerdon serve", f"needs {module}, which is not installed", INSTALL)


def bound(host: str, port: int) -> socket.socket:
    """A socket with this address. Raises GuerdonError if that is not to be had. Nobody can connect to it yet."""
    where = f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = min(found, key=lambda one: one[0] is not socket.AF_INET)
    except (socket.gaierror, UnicodeError):
        raise GuerdonError(f"--host {host}", "is no address of this machine", "as in --host 127.0.0.1") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise _not_had(where, error) from None
    return listening


def listen(listening: socket.socket) -> None:
    """Let clients connect. Raises GuerdonError if another program was quicker."""
    try:
        listening.listen(BACKLOG)
    except OSError as error:
        host, port = listening.getsockname()[:2]
        raise _not_had(f"{host}:{port}", error) from None


def run(app: Any, service: Service, listening: socket.socket, say: Callable[[str], None]) -> bool:
    """Answer until a signal says to end, then finish what is there; a second one gives that up.

    The mixture of `service` must be open. Whether everything was finished is returned. `say` takes lines of progress.
    """
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # signals are `_Ending`'s

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FAREWELL_SECONDS,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        return runner.run(_serve(Server(config), service, listening, say))


async def _serve(server: "Server", service: Service, listening: socket.socket, say: Callable[[str], None]) -> bool:
    ending = _Ending(server, service, say)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.asked)
    reporting = loop.create_task(_report(service, say))
    try:
        await server.serve([listening])
    finally:
        reporting.cancel()
    say(_progress(service))
    return not ending.forced


class _Ending:
    """What a signal sets going."""

    def __init__(self, server: "Server", service: Service, say: Callable[[str], None]) -> None:
        self.server, self.service, self.say = server, service, say
        self.forced = False
        self.tasks: list[asyncio.Task[None]] = []

    def asked(self) -> None:
        """A signal came."""
        if not self.service.draining:
            self.say(f"ending: nothing more is taken, and {self.service.inside:,} rollouts are finished; again to stop")
            self.tasks.append(asyncio.ensure_future(self._drain()))
        elif not self.forced:
            self.forced = True
            self.tasks.append(asyncio.ensure_future(asyncio.to_thread(self.service.mixture.close)))

    async def _drain(self) -> None:
        await self.service.drain()
        self.server.should_exit = True


async def _report(service: Service, say: Callable[[str], None]) -> None:
    told = service.scored
    while True:
        await asyncio.sleep(REPORT_SECONDS)
        if service.scored != told:
            say(f"{_progress(service)}, {(service.scored - told) / REPORT_SECONDS:,.0f} a second")
            told = service.scored


def _progress(service: Service) -> str:
    unscored = service.scored - service.outcomes["scored"]
    text = f"{service.scored:,} rollouts judged, {unscored:,} without a score"
    return f"{text}, {service.inside:,} in the queue" if service.inside else text


def _not_had(where: str, error: OSError) -> GuerdonError:
    what, way_out = {
        errno.EADDRINUSE: ("is taken by another program", "choose another one, as in --port 8001"),
        errno.EACCES: ("is not allowed for this user", "choose a port above 1023"),
        errno.EADDRNOTAVAIL: ("is no address of this machine", "choose one of its own, as in --host 127.0.0.1"),
    }.get(error.errno or 0, (f"cannot be listened on: {error.strerror}", "choose another address"))
    return GuerdonError(where, what, way_out)
