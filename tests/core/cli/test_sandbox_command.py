"""guerdon sandbox build|check|clean."""

import re

import pytest

CAGE = '''
"""A sandbox of a stranger's."""
import time
from contextlib import asynccontextmanager
from guerdon import Finished, GuerdonError, Running, Sandbox, Unavailable, hookimpl

class Mute(Running):
    async def send(self, data):
        pass

    async def receive(self):
        return b""

    async def finish(self):
        return Finished(0, None, b"", b"", 0.0, 0.0, None)

class Cage(Sandbox):
    """A cage, which keeps nothing in."""
    name = "cage"
    bars: int = 1
    """How many."""
    locked: bool = False
    """Whether nothing can be started."""

    @asynccontextmanager
    async def start(self, program, limits):
        if self.locked:
            raise Unavailable("the key is lost")
        if not self.bars:
            raise GuerdonError("cage", "has no bars", "add some")
        yield Mute()

    def build(self, say):
        print("printed by the plug")
        say(f"{self.bars} bars")
        time.sleep(self.bars / 10)
        if not self.bars:
            raise GuerdonError("cage", "has no bars", "add some")
        say("ready\\x1b[2J")

    def clean(self, say):
        say("removed the cage")

@hookimpl
def register_sandboxes(register):
    register(Cage)
'''


@pytest.fixture
def caged(place):
    place.install("guerdon-cage", "cage", CAGE)
    return place


def test_build_makes_a_strangers_sandbox_with_its_options(caged):
    ended = caged.guerdon("sandbox", "build", "cage", "--set", "bars=3")
    assert ended.returncode == 0
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == ["printed by the plug", "3 bars", "ready\\x1b[2J"]


def test_a_silence_is_counted_and_what_is_quick_is_not(caged):
    ended = caged.guerdon("sandbox", "build", "cage", "--set", "bars=46")
    assert re.findall(r"… (\d+) s", ended.stderr) == ["2", "4"]
    assert "…" not in caged.guerdon("sandbox", "build", "cage").stderr


def test_a_build_that_fails_is_one_clear_error(caged):
    assert "error: cage: has no bars; add some" in caged.guerdon("sandbox", "build", "cage", "--set", "bars=0").stderr
    assert caged.guerdon("sandbox", "build", "cage", "--set", "bars=0").returncode == 2


def test_clean_says_what_is_gone(caged):
    ended = caged.guerdon("sandbox", "clean", "cage")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "removed the cage\n")


def test_a_sandbox_that_cannot_start_anything_was_not_checked(caged):
    said = caged.complaint("sandbox", "check", "cage", "--set", "locked=true")
    assert said == "error: sandbox cage: could not be checked: the key is lost\n"
    assert caged.complaint("sandbox", "check", "cage", "--set", "bars=0") == "error: cage: has no bars; add some\n"


def test_check_names_the_promises_that_held_and_the_one_that_is_broken(caged):
    ended = caged.guerdon("sandbox", "check", "cage")
    assert ended.returncode == 1
    assert len(ended.stdout.splitlines()) == 1
    assert ended.stderr.startswith("warning: Cage does not keep this promise: Input, output")


@pytest.mark.slow
@pytest.mark.docker
def test_check_names_every_promise_of_docker(place):
    ended = place.guerdon("sandbox", "check", "--set", "size=2")
    assert ended.returncode == 0, ended.stderr
    assert len(ended.stdout.splitlines()) > 20
    assert re.search(r"^There is no network", ended.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", ["build", "check", "clean"])
def test_without_an_engine_every_command_says_where_it_looked_and_what_to_do(place, command):
    said = place.complaint("sandbox", command, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert "docker: no engine answers at unix:///nowhere/docker.sock: No such file or directory; start one" in said
    assert "or set DOCKER_HOST" in said


@pytest.mark.docker
def test_without_the_image_check_says_how_to_get_it(place):
    said = place.complaint("sandbox", "check", "--set", "image=guerdon-none")
    assert (
        "docker: the image 'guerdon-none' is not there; `guerdon sandbox build --set image=guerdon-none` makes it"
        in said
    )


@pytest.mark.docker
def test_clean_of_what_is_not_there_is_no_mistake(place):
    ended = place.guerdon("sandbox", "clean", "--set", "image=guerdon-none")
    assert ended.returncode == 0
    assert ended.stderr.splitlines()[-1] == "there is no image guerdon-none"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["dcoker"], "sandbox.use: no sandbox is named 'dcoker'; did you mean 'docker'?"),
        (["--set", "imgae=x"], "sandbox.imgae: no such option; did you mean 'image'?"),
        (["--set", "timeout=0"], "sandbox.timeout: input should be greater than 0"),
        (["--set", "image"], "--set image: is not of the form KEY=VALUE"),
    ],
)
def test_a_mistake_in_the_words_is_named(place, words, said):
    assert said in place.complaint("sandbox", "build", *words)


def test_the_command_alone_lists_what_there_is(place):
    out = place.guerdon("sandbox", "--help").stdout
    assert all(command in out for command in ("build", "check", "clean"))
