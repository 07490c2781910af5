"""Who is whom: which customer ids mean one person, told from merges and un-merges alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from segmentation.domain.facts import ERASED, Facts, Stamp

MERGE = "merge/"
"""`merge/<merge id>` on the survivor names the customer who was merged into it."""

UNMERGE = "unmerge/"
"""`unmerge/<merge id>` undoes that merge, whichever of the two is heard first."""

_ERASED: Facts = {ERASED: ("", None)}


def survivors(files: Mapping[str, Facts]) -> dict[str, str]:
    """For each customer id of `files`, the id of the person that it means.

    Ids joined by merges that are not undone mean one person, who is known by the survivor of the
    latest of these merges. A merge with a customer outside of `files` is disregarded, and so is one
    with a customer who is erased: an erased id means nobody.
    """
    undone = {
        name.removeprefix(UNMERGE) for facts in files.values() for name in _named(facts, UNMERGE)
    }
    merges = sorted(_merges(files, undone))
    person = {customer_id: customer_id for customer_id in files}
    for _, survivor, merged in merges:
        absorbed = {person[survivor], person[merged]}
        for customer_id, of in person.items():
            if of in absorbed:
                person[customer_id] = survivor
    return person


def _merges(files: Mapping[str, Facts], undone: set[str]) -> Iterator[tuple[Stamp, str, str]]:
    for survivor, facts in files.items():
        for name in _named(facts, MERGE):
            stamp, merged = facts[name]
            if name.removeprefix(MERGE) not in undone and ERASED not in files.get(merged, _ERASED):
                yield stamp, survivor, merged


def _named(facts: Facts, prefix: str) -> Iterator[str]:
    return (name for name in facts if name.startswith(prefix))
