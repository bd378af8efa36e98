"""The image that containers are made of, and the engine that has it: connecting, building, cleaning."""

import io
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon import GuerdonError
from guerdon_docker.creation import LABEL

if TYPE_CHECKING:
    import docker

IMAGE = "guerdon-sandbox"
"""What `build` makes unless another name is asked for."""
IMAGE_LABEL = "guerdon.image"
"""The name under which an image was built. An image that somebody made from ours inherits it, under another name."""
DOCKERFILE = Path(__file__).with_name("Dockerfile")
ENGINE_SECONDS = 60.0
"""An engine that says nothing for so long is taken for dead."""
BUILD_SECONDS = 900.0
"""The same while an image is built: some steps work in silence."""
SAID_SECONDS = 2.0
"""Of what a step of the build writes, one line in so many seconds is passed on."""
INSTALL = "start one (Debian: `sudo apt install docker.io`), or set DOCKER_HOST"


def connect() -> "docker.DockerClient":
    """A client of the engine that DOCKER_HOST names, or of this machine's. Raises GuerdonError if none answers."""
    import docker

    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        return docker.from_env(timeout=ENGINE_SECONDS)
    except docker.errors.DockerException as error:
        reason = _root(error)
        if isinstance(reason, PermissionError):
            what = f"{host} may not be opened by you"
            way_out = "join the group docker (`sudo usermod --append --groups docker $USER`, then log in again)"
            raise GuerdonError("docker", what, f"{way_out}, or set DOCKER_HOST") from None
        said = getattr(reason, "strerror", None) or str(reason)
        raise GuerdonError("docker", f"no engine answers at {host}: {said}", INSTALL) from None


def check_there(client: "docker.DockerClient", image: str) -> None:
    """Raise GuerdonError, with the way out, if the engine has no such image."""

    if _find(client, image) is None:
        build = "guerdon sandbox build" + ("" if image == IMAGE else f" --set image={image}")
        way_out = f"`{build}` makes it, unless it is to come from elsewhere"
        raise GuerdonError("docker", f"the image '{image}' is not there", way_out)


def check_limits(client: "docker.DockerClient") -> None:
    """Raise GuerdonError if the engine cannot limit containers: it would only warn, and run them without a limit."""
    with _asking("asking what the engine can limit"):
        facts = client.info()
    lacking = [name for name in ("MemoryLimit", "SwapLimit", "PidsLimit") if not facts.get(name)]
    if lacking:
        what = f"the engine cannot limit containers: `docker info` says no {', '.join(lacking)}"
        way_out = "see to its control groups: delegate them to a rootless engine, or boot with `swapaccount=1`"
        raise GuerdonError("docker", what, way_out)


def build(client: "docker.DockerClient", image: str, base: str, say: Callable[[str], None]) -> None:
    """Build `image` on `base`. `say` takes the steps, and now and then a line of what a step writes.

    Raises GuerdonError, also where an image of this name was made by somebody else.
    """
    there = _find(client, image)
    if there is not None and not _is_ours(there, image):
        what = f"there is an image '{image}' already, which `guerdon sandbox build` has not made"
        raise GuerdonError("docker", what, f"name another with --set image=…, or `docker image rm {image}`")
    say(f"building {image} on {base}")
    with _asking(f"building the image '{image}'"):
        # An engine without a bridge gives containers no way out but the host's own network.
        has_bridge = any(network.name == "bridge" for network in client.networks.list())
        events = client.api.build(
            fileobj=io.BytesIO(DOCKERFILE.read_bytes()),
            tag=image,
            buildargs={"BASE": base},
            labels={IMAGE_LABEL: _tagged(image)},
            network_mode=None if has_bridge else "host",
            timeout=BUILD_SECONDS,
            rm=True,
            forcerm=True,
            decode=True,
        )
        _follow(events, base, say)
    built = _find(client, image)
    if built is None:
        raise GuerdonError("docker", f"the image '{image}' was built, and is not there", "is the engine full?")
    if there is not None and there.id != built.id:
        _remove_image(client, there.id)
    say(f"{image} is ready ({built.attrs['Size'] / 1e6:.0f} MB)")


def clean(client: "docker.DockerClient", image: str, say: Callable[[str], None]) -> None:
    """Remove containers that crashed runs have left behind, and `image` if `build` has made it.

    What is not labelled as ours stays, and so does a container that is running: a run may be using it.
    """
    running = []
    with _asking("cleaning"):
        for container in client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
            if container.status in ("running", "paused", "restarting"):
                running += [container.short_id] if container.attrs["Config"]["Image"] == image else []
            elif _gone(container.remove, v=True):
                say(f"removed the container {container.short_id}")
    there = _find(client, image)
    if running:
        still = "is still running" if len(running) == 1 else "are still running"
        what = f"{_counted(len(running), 'container')} of {image} {still}, so nothing more was removed"
        raise GuerdonError("docker", what, f"end the run first, or `docker rm --force {' '.join(running)}`")
    if there is None:
        say(f"there is no image {image}")
    elif not _is_ours(there, image):
        say(f"the image {image} stays: `guerdon sandbox build` has not made it")
    else:
        with _asking(f"removing the image '{image}'"):
            client.images.remove(image)
        say(f"removed the image {image}")


def _find(client: "docker.DockerClient", image: str) -> Any:
    from docker.errors import ImageNotFound

    with _asking("looking for the image"):
        try:
            return client.images.get(image)
        except ImageNotFound:
            return None


def _is_ours(there: Any, image: str) -> bool:
    return bool(there.labels.get(IMAGE_LABEL) == _tagged(image))


def _tagged(image: str) -> str:
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _remove_image(client: "docker.DockerClient", image: str) -> None:
    """Remove what a newer image has replaced, unless something still needs it."""
    from docker.errors import APIError

    try:
        client.images.remove(image)
    except APIError as error:
        if error.status_code not in (404, 409):
            raise


def _gone(remove: Callable[..., None], **options: Any) -> bool:
    """Whether it could be removed; False if another was quicker, or it has just been started."""
    from docker.errors import APIError

    try:
        remove(**options)
    except APIError as error:
        if error.status_code not in (404, 409):
            raise
        return False
    return True


def _follow(events: Iterable[Mapping[str, Any]], base: str, say: Callable[[str], None]) -> None:
    """Say what the engine says, shortened; raise GuerdonError if it is a failure."""
    unsaid: deque[str] = deque(maxlen=10)
    next_line = time.monotonic() + SAID_SECONDS
    for event in events:
        if "error" in event:
            for line in unsaid:
                say(f"  {line}")
            what = f"the image cannot be built on '{base}': {_one_line(event['error'])}"
            raise GuerdonError("docker", what, "name a base that the engine has or can pull: --set base=…")
        for line in _lines(event):
            now = time.monotonic()
            unsaid.append(line)
            if line.startswith("Step ") or now >= next_line:
                say(line if line.startswith("Step ") else f"  {line}")
                next_line = now + SAID_SECONDS
                unsaid.clear()


def _lines(event: Mapping[str, Any]) -> Iterator[str]:
    for line in str(event.get("stream", "")).splitlines():
        if line.strip():
            yield _one_line(line)
    if "status" in event:
        detail = event.get("progressDetail") or {}
        done = f" {detail['current'] / 1e6:.0f} of {detail['total'] / 1e6:.0f} MB" if detail.get("total") else ""
        yield _one_line(f"{event['status']} {event.get('id', '')}{done}")


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:97]}…"


@contextmanager
def _asking(doing: str) -> Iterator[None]:
    """What goes wrong between us and the engine becomes a GuerdonError."""
    import docker
    import requests
    import urllib3

    try:
        yield
    except docker.errors.APIError as error:
        raise GuerdonError("docker", f"{doing}: {error.explanation or error}") from None
    except (docker.errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError) as error:
        reason = _root(error)
        said = getattr(reason, "strerror", None) or str(reason)
        raise GuerdonError("docker", f"{doing}: the engine has gone: {said}", INSTALL) from None


def _root(error: BaseException) -> BaseException:
    """What began it: the docker package wraps an error of urllib3, which wraps the system's."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
