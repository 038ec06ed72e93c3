"""Answers about concepts that were learnt from all units of a layer together (Net2Vec)."""

from striate.dissection.net2vec.vectors import SCORES
from striate.web.findings import Findings
from striate.web.messages_concepts import LearntConcept, Share

_SHARES = 8
_NEAREST = 3


def shares(findings: Findings, layer: int, unit: int) -> list[Share]:
    """Return the concepts that a unit takes part in most; none where nothing was learnt."""
    known = findings.dissected
    places = (
        {}
        if known is None
        else {
            (concept.name, concept.category): index
            for index, concept in enumerate(known.results.concepts)
        }
    )
    return [
        Share(
            name=one.name,
            category=one.category,
            concept=places.get((one.name, one.category)),
            task=vectors.task,
            share=share,
            measure=SCORES[vectors.task],
            score=one.score,
            unit=one.unit,
            unit_score=one.unit_score,
        )
        for vectors in findings.vectors.of(layer)
        for one, share in vectors.shares_of(unit)[:_SHARES]
    ]


def learnt(findings: Findings, name: str, category: str) -> list[LearntConcept]:
    """Return what each layer's units reach of a concept, in execution order."""
    found = []
    for row in findings.layers:
        for vectors in findings.vectors.of(row.number):
            for one in vectors.learnt:
                if (one.name, one.category) != (name, category):
                    continue
                near = vectors.nearest(one.full_name, _NEAREST)
                found.append(
                    LearntConcept(
                        layer=row.number,
                        address=row.address,
                        task=vectors.task,
                        measure=SCORES[vectors.task],
                        score=one.score,
                        unit=one.unit,
                        unit_score=one.unit_score,
                        blind=one.everywhere,
                        nearest=[other.name for other in near if other.cosine > 0],
                    )
                )
    return found
