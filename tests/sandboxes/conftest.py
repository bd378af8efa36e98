"""The Docker engine that all tests share. What is made for a test has a name of its own, and is gone afterwards."""

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from guerdon_docker import image as images

if TYPE_CHECKING:
    import docker


@pytest.fixture
def client() -> "Iterator[docker.DockerClient]":
    client = images.connect()
    yield client
    client.close()


@pytest.fixture
def image(client: "docker.DockerClient") -> Iterator[str]:
    """A name for an image. What has it, or is made of it, is removed at the end."""
    name = f"guerdon-test-{uuid.uuid4().hex[:12]}"
    yield name
    for container in client.containers.list(all=True, filters={"ancestor": name}, ignore_removed=True):
        container.remove(force=True)
    if client.images.list(name):
        client.images.remove(name, force=True)
