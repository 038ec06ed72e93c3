"""Which class score a label means: labels by number, by the network's names, or by order."""

from dataclasses import replace

from striate.image.folder import Labels
from striate.network.network import Network

APART = 1_000_000
"""Classes that are none of the network's are numbered from here."""


def matched(labels: Labels, network: Network) -> Labels:
    """Bring labels to the numbers of the network's class scores.

    Numbers that a file gives are taken as they are. Classes known by name alone (class folders)
    are the network's classes of these names. Where a name is none of them, all are taken in sorted
    order if they are as many as the scores, as torchvision's ``ImageFolder`` does; else they are
    classes of their own, on which the network is not judged.

    Args:
        labels: As read.
        network: Whose scores they are about.

    Returns:
        The labels, numbered like the scores, or from `APART` on.
    """
    if labels.numbered or network.class_count is None:
        return labels
    scores = {name.casefold(): k for k, name in enumerate(network.class_names or ())}
    places = {k: scores.get(name.casefold()) for k, name in labels.names.items()}
    if any(place is None for place in places.values()):
        if len(places) == network.class_count:
            return labels
        places = {k: APART + k for k in labels.names}
    index = tuple(None if k is None else places[k] for k in labels.index)
    names = {place: labels.names[k] for k, place in places.items() if place is not None}
    return replace(labels, index=index, names=names)
