"""The supervisor as one argument of `python3 -c`, so that no image can hold a stale one."""

from importlib import resources

MODULES = ("frames", "seccomp", "accounts", "interpreter", "box", "zygote", "supervisor")
"""In the order in which they need each other."""

_START = """
import sys, types
if sys.version_info < (3, 11):
    sys.exit("the image's python3 is older than 3.11")
for name in ("guerdon_docker", "guerdon_docker.inside"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = []
for name, source in {sources!r}:
    module = types.ModuleType("guerdon_docker.inside." + name)
    module.__file__ = "<guerdon_docker/inside/" + name + ".py>"
    sys.modules[module.__name__] = module
    setattr(sys.modules["guerdon_docker.inside"], name, module)
    exec(compile(source, module.__file__, "exec"), module.__dict__)
module.main({disk_mb})
"""


def command(disk_mb: int) -> list[str]:
    """What a container runs. `-I`: nothing in the image's environment or home changes what is imported."""
    inside = resources.files("guerdon_docker") / "inside"
    sources = [(name, (inside / f"{name}.py").read_text()) for name in MODULES]
    return ["python3", "-I", "-B", "-c", _START.format(sources=sources, disk_mb=disk_mb)]
