"""Making and removing containers: what the engine is asked for. Blocking calls, for a thread."""

import os
import socket
import threading
from typing import TYPE_CHECKING

from guerdon import GuerdonError
from guerdon_docker import bundle

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "guerdon.sandbox"
CAPABILITIES = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP")
"""What the supervisor needs for namespaces and mounts, for becoming another user, and for giving up the rest for good.
Programs have none."""
SUPERVISOR_MB = 96
"""Memory (MiB) of a container that is not the program's."""
PROCESSES = 256
CPU_SHARES = 512
"""Half of what others get, so that the trainer's own processes come first on a busy machine."""


def bytes_of(memory_mb: int) -> int:
    """The memory of a container whose programs have so many MiB."""
    return (memory_mb + SUPERVISOR_MB) << 20


class Made:
    """What a thread makes for somebody who may have gone away in the meantime: then nothing stays of it."""

    def __init__(self, client: "DockerClient") -> None:
        self.client = client
        self.abandoned = False
        self.container: tuple[str, socket.socket] | None = None

    def abandon(self) -> None:
        """Nobody waits any more. Does not wait itself."""
        self.abandoned = True
        if self.container is not None:
            threading.Thread(target=self._undo, args=self.container).start()

    def deliver(self, id_: str, connection: socket.socket) -> tuple[str, socket.socket]:
        """Hand it over. Raises OSError if nobody waits."""
        self.container = id_, connection
        if self.abandoned:
            self._undo(id_, connection)
            raise OSError("nobody waits for this container any more")
        return self.container

    def _undo(self, id_: str, connection: socket.socket) -> None:
        connection.close()
        remove(self.client, id_)


def create(made: Made, image: str, runtime: str | None, memory_mb: int, disk_mb: int) -> tuple[str, socket.socket]:
    """A container that is not started yet, by its id, and the connection to what it will run."""
    client, memory = made.client, bytes_of(memory_mb)
    host = client.api.create_host_config(
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        cap_add=list(CAPABILITIES),
        # docker's AppArmor profile, where there is one, forbids mounts altogether.
        security_opt=["no-new-privileges", "apparmor=unconfined"],
        mem_limit=memory,
        memswap_limit=memory,
        pids_limit=PROCESSES,
        cpu_shares=CPU_SHARES,
        auto_remove=True,
        # What programs print passes through the supervisor's stdout, and must not fill the host's disk.
        log_config={"Type": "none"},
        runtime=runtime,
        ipc_mode="private",
    )
    created = client.api.create_container(
        image,
        command=bundle.command(disk_mb),
        entrypoint=[],
        user="0:0",
        working_dir="/",
        environment={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        stdin_open=True,
        hostname="sandbox",
        labels={LABEL: str(os.getpid())},
        host_config=host,
    )
    id_: str = created["Id"]
    try:
        attached = client.api.attach_socket(id_, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        raw = getattr(attached, "_sock", attached)
        if type(raw) is not socket.socket:
            raise GuerdonError(
                "docker",
                f"the engine at {client.api.base_url} is reached over TLS or ssh, which the sandbox cannot",
                "forward its socket: ssh -L /tmp/docker.sock:/var/run/docker.sock HOST, "
                "and set DOCKER_HOST=unix:///tmp/docker.sock",
            )
        # A descriptor of our own: the docker package closes its with the response.
        connection = socket.socket(fileno=os.dup(raw.fileno()))
        attached.close()
    except BaseException:
        remove(client, id_)
        raise
    connection.setblocking(False)
    return made.deliver(id_, connection)


def remove(client: "DockerClient", id_: str) -> None:
    """Kill and remove a container, if it and its engine are still there."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        client.api.remove_container(id_, force=True)
    except (DockerException, RequestException, OSError):
        pass  # it is gone already, or the engine is; its supervisor ends with the stream
