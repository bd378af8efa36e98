"""The judge: runs the tests. The program is in another sandbox, and only plain values come from it."""

import importlib
import json
import sys

from guerdon_code.inside import controls
from guerdon_code.inside.channel import Channel
from guerdon_code.inside.link import VERDICT, Cheat, Gone, Link
from guerdon_code.inside.remote import standing_for
from guerdon_code.inside.report import Report

KINDS = {"function": "functions", "pytest": "pytests"}
"""The module that judges each kind. Only what is needed is imported."""

MOST_DECISIVE = 100


def main() -> None:
    """Judge one job, which comes as the first message."""
    sys.path[0] = ""
    channel = Channel()
    job = json.loads(channel.receive() or b"{}")
    link = Link(channel, standing_for)
    link.perturbed = job["perturbed"]
    judged = importlib.import_module(f"guerdon_code.inside.{KINDS[job['kind']]}").judged
    report: Report = judged(link, job)
    if report.passed and link.cheat is None and link.gone is None:
        try:
            controls.constructors(link)
        except (Cheat, Gone):
            pass
    report.cheat = report.cheat or link.cheat
    report.decisive = sorted(set(link.decisive))[:MOST_DECISIVE]
    channel.send(VERDICT + report.json())
