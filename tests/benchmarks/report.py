"""The table that `make bench` prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measured quantity, beside its peer's and its bar. `met` is None where there is no bar."""

    what: str
    ours: str
    peer: str
    ratio: str
    bar: str
    met: bool | None


def table(lines: list[Line]) -> str:
    """The lines as a Markdown table."""
    head = ["what", "guerdon", "peer, same run", "ratio", "to reach", "met"]
    rows = [head, ["---"] * len(head)]
    rows += [[line.what, line.ours, line.peer, line.ratio, line.bar, _said(line.met)] for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _said(met: bool | None) -> str:
    return "" if met is None else "yes" if met else "NO"
