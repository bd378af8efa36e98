"""`make bench`: guerdon beside its peers, in one run on one machine, as a table of ratios.

Never a test: a machine that is busy with something else must not fail a build. Times are CPU times where possible.
"""

import argparse
import os
import platform
import sys

from bridge_bench import bridge_lines
from code_bench import code_lines
from demo_bench import demo_lines
from grpo_accuracy_bench import accuracy_lines
from grpo_step_bench import step_lines
from judge_bench import judge_lines
from language_bench import language_lines
from math_bench import math_lines
from overhead_bench import overhead_lines
from preference_bench import preference_lines
from report import table
from serve_bench import serve_lines
from start_bench import start_lines


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True, help="the Python of an environment with peers/requirements.txt")
    parser.add_argument("only", nargs="*", help="parts to measure, as in `grpo recipes`; all of them take an hour")
    arguments = parser.parse_args()
    peers = arguments.peers
    parts = {
        "math": lambda: math_lines(peers),
        "language": lambda: language_lines(peers),
        "code": code_lines,
        "overhead": overhead_lines,
        "serve": serve_lines,
        "bridge": bridge_lines,
        "judge": judge_lines,
        "preference": preference_lines,
        "grpo": lambda: [*step_lines(peers), *accuracy_lines(peers)],
        "recipes": demo_lines,
        "start": start_lines,
    }
    lines = []
    if unknown := set(arguments.only) - set(parts):
        parser.error(f"no part is named {', '.join(unknown)}; there are {', '.join(parts)}")
    for name, part in parts.items():
        if arguments.only and name not in arguments.only:
            continue
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        lines += part()
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n")
    print(table(lines))


if __name__ == "__main__":
    main()
