"""Our own code for the sandboxes, compiled by the Python that will run it: most of a short run would go into that."""

import base64
import json
from collections.abc import Mapping
from importlib import resources

from guerdon import Program, Sandbox, Unavailable

HOME = ".guerdon"
"""Where it lies, out of the way of the files of tests."""
_PACKAGE = "guerdon_code/inside"
_COMPILE = """
import base64, importlib._bootstrap_external as external, json, os, sys
made = {}
for name in os.listdir("."):
    if name.endswith(".py"):
        with open(name) as file:
            code = compile(file.read(), "/guerdon/" + name, "exec", dont_inherit=True)
        made[name + "c"] = base64.b85encode(external._code_to_timestamp_pyc(code)).decode()
json.dump(made, sys.stdout)
"""


async def compiled(sandbox: Sandbox) -> Mapping[str, bytes]:
    """The files to send along with each program. Raises Unavailable where there is no Python that compiles them."""
    inside = resources.files("guerdon_code") / "inside"
    sources = {one.name: one.read_bytes() for one in inside.iterdir() if one.name.endswith(".py")}
    program = Program({**sources, "compile": _COMPILE.encode()}, ("python3", "compile"))
    async with sandbox.start(program, sandbox.limits) as running:
        finished = await running.finish()
    if finished.exit_code != 0:
        raise Unavailable(
            f"no Python 3.11 or later in the sandbox: {finished.stderr.decode('utf-8', 'replace')[-300:]}"
        )
    made = {name: base64.b85decode(text) for name, text in json.loads(finished.stdout).items()}
    return {
        f"{HOME}/guerdon_code/__init__.py": b"",
        **{f"{HOME}/{_PACKAGE}/{name}": code for name, code in made.items()},
    }
