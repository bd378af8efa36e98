"""The sandbox `docker`."""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import ClassVar

from pydantic import Field, PrivateAttr

from guerdon import GuerdonError, Limits, Program, Running, Sandbox, SandboxDied, Unavailable
from guerdon_docker import image as images
from guerdon_docker.pool import WAY_OUT, Pool


class Docker(Sandbox):
    """Warm containers of a Docker engine, in which every program gets namespaces of its own.

    A program has no network, no capabilities, a user, a /tmp and a view of processes that nobody has used before, and
    a system call filter; a container runs one program at a time. What is promised, and what not: docs/threat-model.md.
    """

    name: ClassVar[str] = "docker"
    needs: ClassVar[Mapping[str, str]] = {"docker": "pip install 'guerdon[docker]'"}

    image: str = "guerdon-sandbox"
    """The image that programs run in. It needs a python3; `guerdon sandbox build` makes one with a C++ compiler too."""
    base: str = "python:3.12-slim"
    """The Debian image that `guerdon sandbox build` starts from."""
    size: int | None = Field(None, ge=1)
    """Containers, and so programs that run at the same time. One a core unless set."""
    disk_mb: int = Field(64, ge=1)
    """Size (MiB) of a program's /tmp, and of its /dev/shm. What is in them counts as memory."""
    runs_per_container: int = Field(1000, ge=1)
    """Programs after which a container is replaced by a new one."""
    runtime: str | None = None
    """A runtime of the engine, such as gVisor's "runsc"; the engine's own choice unless set."""

    _pool: Pool | None = PrivateAttr(None)

    @property
    def places(self) -> int:
        """Its containers."""
        return self.size or super().places

    async def open(self) -> None:
        """Start the containers. Raises GuerdonError if no engine answers, or nothing can be run there."""
        client = images.connect()
        pool = Pool(self, client)
        try:
            images.check_there(client, self.image)
            images.check_limits(client)
            await pool.open()
            await self._try(pool)
        except BaseException:
            await pool.close()
            client.close()
            raise
        self._pool = pool

    async def _try(self, pool: Pool) -> None:
        """Run a program once, or an engine that cannot keep one in would be taken for programs that all fail."""
        program = Program({"main.py": b"print(6 * 7)"}, ("python3", "main.py"))
        try:
            async with pool.run(program, self.limits) as running:
                said = (await running.finish()).stdout
        except (SandboxDied, Unavailable) as error:
            raise GuerdonError("docker", f"programs cannot be run here: {error}", WAY_OUT) from error
        if said != b"42\n":
            raise GuerdonError("docker", f"a trivial program printed {said!r}", WAY_OUT)

    async def close(self) -> None:
        """Remove the containers."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.close()
            pool.client.close()

    def start(self, program: Program, limits: Limits) -> AbstractAsyncContextManager[Running]:
        """Run a program as soon as a container is free."""
        if self._pool is None:
            raise GuerdonError("docker", "is not open", "open it first, or name it in a run file")
        return self._pool.run(program, limits)

    def build(self, say: Callable[[str], None]) -> None:
        """Build the image from the Dockerfile that comes with this package."""
        images.build(images.connect(), self.image, self.base, say)

    def clean(self, say: Callable[[str], None]) -> None:
        """Remove the image, and containers that crashed runs have left."""
        images.clean(images.connect(), self.image, say)
