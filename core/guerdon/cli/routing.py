"""Terms whose `domains` fit nothing that is there: most likely a slip of the pen."""

from collections.abc import Iterable, Set
from difflib import get_close_matches

from guerdon.totals import Term

SHOWN = 20
"""Domains that are named."""


def idle_terms(terms: Iterable[Term], domains: Set[str | None], noun: str) -> list[str]:
    """A sentence for each term that applies to none of these domains. `noun`: what has the domains, as in `task`."""
    there = sorted(domain for domain in domains if domain is not None)
    named = (", ".join(there[:SHOWN]) + (", …" if len(there) > SHOWN else "")) or "none"
    said = []
    for term in terms:
        if term.domains is None or any(term.applies(domain) for domain in domains):
            continue
        close = [match for domain in term.domains for match in get_close_matches(domain, there, n=1)]
        hint = f"; did you mean '{close[0]}'?" if close else ""
        said.append(
            f"rewards.{term.name}: its domains ({', '.join(term.domains)}) fit no {noun}; there are: {named}{hint}"
        )
    return said
