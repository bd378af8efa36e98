"""unit-tests: every line of the table that is about code. Needs a Docker engine and the image of `sandbox build`."""

from code_groups_bench import code_group_lines
from code_memory_bench import code_memory_lines
from code_speed_bench import code_speed_lines
from code_verdict_bench import code_verdict_lines
from peers.code_graders import graders
from report import Line


def code_lines() -> list[Line]:
    """Verdicts, speed, memory, and real completions."""
    peers = graders()
    verdicts = code_verdict_lines(peers)
    return [*verdicts, *code_speed_lines(), *code_memory_lines(), *code_group_lines(peers)]
