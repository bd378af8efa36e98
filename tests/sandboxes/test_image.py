"""The image is built, found and removed by a real engine, and nothing that is not ours is touched."""

import io
import os
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from guerdon import GuerdonError
from guerdon_docker import image as images
from guerdon_docker.creation import LABEL

COMPLETE = "guerdon-sandbox"
"""A base that has everything, so that no test needs a network."""
ENGINE = Path(__file__).with_name("engine.sh")


def run(client, image, *command):
    container = client.containers.run(image, list(command), detach=True, network_mode="none")
    try:
        assert container.wait()["StatusCode"] == 0, container.logs()
        return container.logs(stderr=False).decode()
    finally:
        container.remove(force=True)


def derived(client, image, *steps):
    """An image like the complete one, but for these steps."""
    dockerfile = "\n".join([f"FROM {COMPLETE}", *steps]).encode()
    for event in client.api.build(fileobj=io.BytesIO(dockerfile), tag=image, rm=True, forcerm=True, decode=True):
        assert "error" not in event, event


def left(client, image):
    """All containers and images that `build` has made for this name, tagged or not."""
    return client.images.list(filters={"label": f"{images.IMAGE_LABEL}={image}:latest"}, all=True)


def hang_up(listener):
    listener.accept()[0].close()


@pytest.mark.docker
def test_what_it_builds_runs_python_cpp_and_pytest_without_a_network(client, image):
    lines = []
    images.build(client, image, COMPLETE, lines.append)
    assert lines[0] == f"building {image} on {COMPLETE}"
    assert any(line.startswith("Step ") for line in lines)
    assert re.fullmatch(rf"{image} is ready \(\d+ MB\)", lines[-1])
    assert max(map(len, lines)) < 120
    images.check_there(client, image)
    assert run(client, image, "python3", "-c", "print(6 * 7)") == "42\n"
    assert "pytest" in run(client, image, "python3", "-m", "pytest", "--version")
    program = "#include <bits/stdc++.h>\nint main() { std::cout << 6 * 7 << std::endl; }"
    compiled = f"echo '{program}' > /tmp/a.cpp && g++ /tmp/a.cpp -o /tmp/a && /tmp/a"
    assert run(client, image, "sh", "-c", compiled) == "42\n"
    assert run(client, image, "find", "/", "-xdev", "-name", "*guerdon*") == ""


@pytest.mark.docker
def test_building_again_replaces_the_image_and_leaves_no_nameless_one(client, image):
    images.build(client, image, COMPLETE, lambda line: None)
    first = client.images.get(image).id
    derived(client, f"{image}-base", "RUN touch /another-base")
    try:
        images.build(client, image, f"{image}-base", lambda line: None)
        assert client.images.get(image).id != first
        assert first not in [one.id for one in left(client, image)]
        images.clean(client, image, lambda line: None)
        assert left(client, image) == []
    finally:
        client.images.remove(f"{image}-base")


@pytest.mark.docker
def test_a_base_that_cannot_be_completed_is_an_error_that_says_what_it_lacks(client, image):
    before = {one.id for one in client.images.list(filters={"dangling": True})}
    derived(client, f"{image}-base", "RUN rm -f $(command -v g++) /usr/bin/apt-get")
    lines = []
    try:
        with pytest.raises(
            GuerdonError, match=rf"docker: the image cannot be built on '{image}-base': .*; .*--set base="
        ):
            images.build(client, image, f"{image}-base", lines.append)
    finally:
        client.images.remove(f"{image}-base")
    assert any(line.split() == ["the", "base", "has", "no", "g++"] for line in lines)
    assert any("no apt-get either: start from a Debian" in line for line in lines)
    assert client.images.list(image) == []
    assert client.containers.list(all=True, filters={"ancestor": image}) == []
    assert {one.id for one in client.images.list(filters={"dangling": True})} == before


@pytest.mark.docker
def test_a_base_that_is_nowhere_is_an_error(client, image):
    # Nothing listens on this port, so that no test waits for a registry.
    with pytest.raises(GuerdonError, match=r"cannot be built on 'localhost:1/nothing': .*; name a base"):
        images.build(client, image, "localhost:1/nothing", lambda line: None)


@pytest.mark.docker
def test_a_missing_image_is_an_error_with_the_way_out(client, image):
    with pytest.raises(
        GuerdonError,
        match=rf"docker: the image '{image}' is not there; `guerdon sandbox build --set image={image}` makes it",
    ):
        images.check_there(client, image)


@pytest.mark.docker
def test_an_image_of_somebody_elses_is_neither_replaced_nor_removed(client, image):
    derived(client, image, "RUN touch /mine")
    before = client.images.get(image).id
    with pytest.raises(
        GuerdonError, match=rf"'{image}' already, which .* has not made; name another with --set image="
    ):
        images.build(client, image, COMPLETE, lambda line: None)
    lines = []
    images.clean(client, image, lines.append)
    assert lines[-1] == f"the image {image} stays: `guerdon sandbox build` has not made it"
    assert client.images.get(image).id == before


@pytest.mark.docker
def test_an_image_that_somebody_made_from_ours_is_theirs(client, image):
    images.build(client, image, COMPLETE, lambda line: None)
    theirs = f"{image}-theirs"
    try:
        list(client.api.build(fileobj=io.BytesIO(f"FROM {image}\nENV MINE=1".encode()), tag=theirs, rm=True))
        assert client.images.get(theirs).labels[images.IMAGE_LABEL] == f"{image}:latest"
        images.clean(client, theirs, lambda line: None)
        assert client.images.list(theirs)
    finally:
        client.images.remove(theirs)


@pytest.mark.docker
def test_clean_removes_what_a_crashed_run_has_left_and_nothing_else(client, image):
    images.build(client, image, COMPLETE, lambda line: None)
    ours = client.containers.run(image, ["true"], detach=True, network_mode="none", labels={LABEL: "x"})
    theirs = client.containers.run(COMPLETE, ["true"], detach=True, network_mode="none")
    try:
        ours.wait()
        theirs.wait()
        lines = []
        images.clean(client, image, lines.append)
        assert f"removed the container {ours.short_id}" in lines
        assert lines[-1] == f"removed the image {image}"
        there = {one.id for one in client.containers.list(all=True, ignore_removed=True)}
        assert ours.id not in there
        assert theirs.id in there
        images.clean(client, image, lines.append)
        assert lines[-1] == f"there is no image {image}"
    finally:
        theirs.remove()


@pytest.mark.docker
def test_clean_leaves_a_container_alone_that_is_running(client, image):
    images.build(client, image, COMPLETE, lambda line: None)
    ours = client.containers.run(
        image, ["sleep", "60"], detach=True, network_mode="none", labels={LABEL: "x"}, init=True
    )
    with pytest.raises(
        GuerdonError, match=rf"1 container of {image} is still running.*docker rm --force {ours.short_id}"
    ):
        images.clean(client, image, lambda line: None)
    ours.reload()
    assert ours.status == "running"
    images.check_there(client, image)
    ours.remove(force=True)
    images.clean(client, image, lambda line: None)
    assert client.images.list(image) == []


def test_no_engine_is_an_error_that_says_where_one_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(GuerdonError) as error:
        images.connect()
    assert str(error.value) == (
        f"docker: no engine answers at unix://{tmp_path}/none.sock: No such file or directory; "
        "start one (Debian: `sudo apt install docker.io`), or set DOCKER_HOST"
    )


def test_a_host_that_refuses_hangs_up_or_makes_no_sense_is_no_engine(monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("DOCKER_HOST", address)
        with pytest.raises(GuerdonError, match=f"no engine answers at {address}: Connection refused"):
            images.connect()
        listener.listen()
        hanging_up = threading.Thread(target=hang_up, args=[listener])
        hanging_up.start()
        with pytest.raises(GuerdonError, match=f"no engine answers at {address}: "):
            images.connect()
        hanging_up.join()
    monkeypatch.setenv("DOCKER_HOST", "nonsense")
    with pytest.raises(GuerdonError, match=r"no engine answers at nonsense: .*DOCKER_HOST"):
        images.connect()


def test_a_socket_that_one_may_not_open_names_the_group(tmp_path, monkeypatch):
    path = tmp_path / "docker.sock"
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with pytest.raises(GuerdonError):
        images.connect()  # imports all that it needs, which whoever has given up rights may not read
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(GuerdonError) as error:
                images.connect()
        finally:
            os.seteuid(user)
    assert "may not be opened by you; join the group docker" in str(error.value)


@pytest.mark.docker
def test_the_script_gives_the_engine_that_runs(client):
    environment = {name: value for name, value in os.environ.items() if name != "GUERDON_ENGINE"}
    ended = subprocess.run([ENGINE], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == os.environ["DOCKER_HOST"]


def test_the_script_starts_nothing_where_another_engine_is_asked_for(tmp_path):
    host = f"unix://{tmp_path}/none.sock"
    environment = {name: value for name, value in os.environ.items() if name != "GUERDON_ENGINE"}
    ended = subprocess.run(
        [ENGINE], env={**environment, "DOCKER_HOST": host}, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert f"nothing answers at DOCKER_HOST={host}" in ended.stderr
    assert "start what is meant, or unset DOCKER_HOST" in ended.stderr
