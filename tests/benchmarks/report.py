"""The table that `make bench` prints."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One measured quantity, beside its peer's and its bar."""

    what: str
    ours: str
    peer: str
    ratio: str
    bar: str
    met: bool


def table(lines: list[Line]) -> str:
    """The lines as a Markdown table."""
    head = ["what", "guerdon", "peer, same run", "ratio", "to reach", "met"]
    rows = [head, ["---"] * len(head)]
    rows += [[line.what, line.ours, line.peer, line.ratio, line.bar, "yes" if line.met else "NO"] for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
