"""What was learnt of concepts, as lines to read and as CSV."""

import csv
import io

from striate.dissection.net2vec.vectors import SCORES, ConceptVectors

_LEGEND = (
    "learnt, held: images. alone: the best unit by itself. all: a vector over all units. blind: a "
    "mask of the whole image, or a guess. numbers: a vector over so many units."
)


def lines_of(found: ConceptVectors) -> list[str]:
    """Return a table: each concept by its best single unit, by all units, and by some.

    Args:
        found: What was learnt in a layer.

    Returns:
        Lines; all scores are of held-out images. "blind" is what one gets who looks at none: the
        IoU of a mask of the whole image, or half.
    """
    sizes = [len(subset.units) for subset in found.learnt[0].subsets]
    measure = {"iou": "IoU", "accuracy": "balanced accuracy"}[SCORES[found.task]]
    width = max(len(one.name) for one in found.learnt)
    columns = "".join(f" {size:>6}" for size in sizes)
    lines = [
        f"{found.layer}, {found.task}: {measure} on held-out images",
        f"{'concept':{width}}  learnt  held   unit  alone    all  blind{columns}",
    ]
    for one in found.learnt:
        some = "".join(f" {subset.score:6.3f}" for subset in one.subsets)
        lines.append(
            f"{one.name:{width}} {one.train:7} {one.val:5} {one.unit:6} {one.unit_score:6.3f} "
            f"{one.score:6.3f} {one.everywhere:6.3f}{some}"
        )
    count = len(found.learnt)
    alone = sum(one.unit_score for one in found.learnt) / count
    blind = sum(one.everywhere for one in found.learnt) / count
    means = [sum(one.subsets[k].score for one in found.learnt) / count for k in range(len(sizes))]
    means = [alone, sum(found.scores) / count, blind, *means]
    lines.append(f"{'mean':{width}} {'':7} {'':5} {'':6}" + "".join(f" {m:6.3f}" for m in means))
    lines.append(_LEGEND)
    lines += [f"not learnt: {one.name}: {one.reason}" for one in found.left_out]
    if found.skipped:
        name, reason = found.skipped[0]
        lines.append(f"{len(found.skipped)} images skipped; the first, {name!r}: {reason}")
    return lines


def csv_of(found: ConceptVectors) -> str:
    """Return a table with one row for each concept and number of units, as CSV.

    The columns are concept, category, train and val (images), units (how many), chosen (which, of
    a single unit and of subsets), the score on held-out images, and that on training images.
    """
    measure, out = SCORES[found.task], io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ["concept", "category", "train", "val", "kind", "units", "chosen"]
    writer.writerow([*names, measure, f"train_{measure}"])
    every = found.vectors.shape[1]
    for one in found.learnt:
        head = [one.name, one.category, one.train, one.val]
        writer.writerow([*head, "single", 1, one.unit, one.unit_score, one.unit_train_score])
        for subset in one.subsets:
            chosen = " ".join(map(str, subset.units))
            row = [len(subset.units), chosen, subset.score, subset.train_score]
            writer.writerow([*head, "subset", *row])
        writer.writerow([*head, "blind", 0, "", one.everywhere, ""])
        writer.writerow([*head, "all", every, "", one.score, one.train_score])
    return out.getvalue()
