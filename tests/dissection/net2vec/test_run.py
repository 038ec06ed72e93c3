"""Names that are no UTF-8: files and folders of other systems have them."""

from pathlib import Path

import torch

from striate.dissection.net2vec.loss import Training, first_weights
from striate.dissection.net2vec.run import part_of
from striate.image.concepts.concept_set import LabelledImage


def test_names_that_are_no_unicode_are_split_and_learnt_like_others() -> None:
    names = [f"caf\udce9/{number}.png" for number in range(200)]
    held = sum(part_of(LabelledImage(name, Path(name))) for name in names)
    assert 40 <= held <= 80
    found = first_weights(["class:caf\udce9", "class:caf\udce8"], 5, Training())
    assert not torch.equal(found[0], found[1])
