"""How much larger the verifier gets while a program floods it with output."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpora import code_rollout
from report import Line

from guerdon import Mixture, Term
from guerdon_code import UnitTests
from guerdon_docker import Docker

MIB = 1 << 20
FLOOD = "import sys\nfor _ in range(1024): sys.{stream}.write('y' * (1 << 20))\nprint('', 25, sep='\\n')\n"
WORTH = {"stdout": 0, "stderr": 1}
"""Noise on standard error is honest; standard output is the answer, and this one is wrong."""


def code_memory_lines() -> list[Line]:
    """1 GiB to standard output, then 1 GiB to standard error, judged in a process that has done nothing else."""
    done = subprocess.run([sys.executable, __file__], stdout=subprocess.PIPE, text=True, check=True)
    found = json.loads(done.stdout)
    most = max(grown for _, grown in found.values())
    as_meant = all(found[stream][0] == worth for stream, worth in WORTH.items())
    return [
        Line(
            "code, verifier's growth while 1 GiB is written",
            ", ".join(f"{stream} {grown:.0f} MiB" for stream, (_, grown) in found.items()),
            "",
            "",
            "< 200 MB",
            most * MIB < 200e6 and as_meant,
        )
    ]


def _problem(program: str) -> dict[str, Any]:
    tests = {"cases": [{"input": "", "output": "25\n"}]}
    return {"kind": "stdio", "language": "python", "program": program, "tests": tests}


def _status() -> Mapping[str, str]:
    return dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())


def _mebibytes(field: str) -> float:
    return int(_status()[field].split()[0]) / 1024


def main() -> None:
    """Print, as JSON, the value that each flood got and the growth in MiB: the peak over what was there before."""
    found = {}
    with Mixture([Term("code", UnitTests(sandbox=Docker(size=1)))]) as mixture:
        mixture.submit([code_rollout(_problem("print(25)"))]).result()
        for stream in WORTH:
            before = _mebibytes("VmRSS")
            total = mixture.submit([code_rollout(_problem(FLOOD.format(stream=stream)))]).result()[0]
            print(f"  {stream}: {total.value}: {total.terms['code'].score.reason}", file=sys.stderr)
            # The peak is since the process began, so the second flood is charged with the first one's too.
            found[stream] = total.value, _mebibytes("VmHWM") - before
    print(json.dumps(found))


if __name__ == "__main__":
    main()
