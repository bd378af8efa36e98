"""Warm containers: as many as programs may run at the same time, each replaced when it is worn or unwell."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from guerdon import GuerdonError, Limits, Program, Running, Unavailable
from guerdon_docker.container import Container

if TYPE_CHECKING:
    from docker import DockerClient

    from guerdon_docker.docker import Docker

PATIENCE_SECONDS = 30.0
"""How long an engine may be away, as it is when it is restarted, before nothing can be said of a program."""
LEAST_PATIENCE_SECONDS = 2.0
RETRY_SECONDS = 0.25
WAY_OUT = "see what the engine says of it, and whether its image and runtime are right: `guerdon sandbox check`"


class Pool:
    """Containers of one kind. `open` starts them all; afterwards each is started anew by whoever needs it."""

    def __init__(self, options: "Docker", client: "DockerClient") -> None:
        self.options = options
        self.client = client
        self.free = asyncio.Semaphore(options.places)
        self.idle: list[Container] = []
        self.containers: set[Container] = set()
        """The idle ones, and those in which something runs."""
        self.closed = False
        self.away_since: float | None = None
        """When a container could not be started for the first time since one could."""
        self.leaving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Start every container."""
        started = await asyncio.gather(*(self._start() for _ in range(self.options.places)), return_exceptions=True)
        self.idle = list(self.containers)
        for one in started:
            if isinstance(one, BaseException):
                await self.close()
                if isinstance(one, GuerdonError) or not isinstance(one, Exception):
                    raise one
                raise GuerdonError("docker", f"no container can be started: {one}", WAY_OUT) from one

    async def close(self) -> None:
        """Remove every container, and with it what still runs there."""
        self.closed = True
        self.idle.clear()
        for container in list(self.containers):
            self._discard(container)
        if self.leaving:
            await asyncio.wait(self.leaving)

    @asynccontextmanager
    async def run(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        """Run a program in a container of its own. Raises Unavailable if there is none to be had."""
        async with self.free:
            container = await self._container()
            try:
                if container.memory_mb != limits.memory_mb:
                    await container.resize(limits.memory_mb)
                async with container.run(program, limits) as box:
                    yield box
            finally:
                if not container.healthy or container.runs >= self.options.runs_per_container:
                    self._discard(container)
                elif container in self.containers:  # or the pool was closed in the meantime
                    self.idle.append(container)

    async def _container(self) -> Container:
        if self.closed:
            raise GuerdonError("docker", "was closed before the program's turn came", "await what you start")
        while self.idle:
            container = self.idle.pop()
            if container.alive:
                return container
            self._discard(container)
        while True:
            # The patience is the pool's: once it is at its end, the others that wait are told nearly at once.
            began = self.away_since or time.monotonic()
            left = began + PATIENCE_SECONDS - time.monotonic()
            try:
                async with asyncio.timeout(max(left, LEAST_PATIENCE_SECONDS)):
                    container = await self._start()
            except Exception as error:
                self.away_since = began
                if left < LEAST_PATIENCE_SECONDS or _is_final(error):
                    said = str(error) or "the engine does not answer"
                    raise Unavailable(f"no container can be started: {said}") from error
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.away_since = None
                return container

    async def _start(self) -> Container:
        options = self.options
        container = await Container.start(
            self.client,
            image=options.image,
            runtime=options.runtime,
            memory_mb=options.memory_mb,
            disk_mb=options.disk_mb,
        )
        self.containers.add(container)
        if self.closed:
            self._discard(container)
        return container

    def _discard(self, container: Container) -> None:
        if container not in self.containers:
            return
        self.containers.discard(container)
        task = asyncio.create_task(container.remove())
        self.leaving.add(task)
        task.add_done_callback(self.leaving.discard)


def _is_final(error: Exception) -> bool:
    """Whether waiting for the engine would not help."""
    from docker.errors import ImageNotFound

    return isinstance(error, ImageNotFound | GuerdonError)
