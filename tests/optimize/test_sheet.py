"""Pictures of made images: faint ones are shown stronger and say so, others as they are."""

import numpy as np
import pytest
import torch

from striate.image.grid import captioned
from striate.image.render import image_picture
from striate.optimize.maximize import Job
from striate.optimize.sheet import Film, coloured, contrast, enlarged, sheet
from striate.optimize.space import Space

SPACE = Space(torch.full((3, 1, 1), 0.4), torch.full((3, 1, 1), 0.25))


def waves(strength: float) -> torch.Tensor:
    return 0.4 + strength * torch.linspace(0, 60, 3 * 40 * 40).sin().reshape(3, 40, 40)


@pytest.mark.parametrize(("strength", "factor"), [(0.04, 10.0), (0.1, 4.0), (0.3, 1.0), (0.4, 1.0)])
def test_contrast_fills_the_room_around_the_mean(strength: float, factor: float) -> None:
    assert contrast(waves(strength), SPACE) == pytest.approx(factor, rel=0.02)


def test_a_flat_image_has_no_contrast_to_speak_of() -> None:
    assert np.isfinite(contrast(torch.full((3, 4, 4), 0.4), SPACE))


def test_what_is_strong_is_shown_as_it_is_and_what_is_faint_says_so() -> None:
    strong, faint = waves(0.35), waves(0.035)
    shown = sheet([strong], ["a:1"], [["reaches 3"]], SPACE)
    plain = captioned(enlarged(image_picture(strong)), "a:1", lines=["reaches 3"])
    assert np.array_equal(shown, plain)
    stronger = sheet([faint], ["a:1"], [["reaches 3"]], SPACE)
    told = ["reaches 3", f"contrast x {contrast(faint, SPACE):.1f}"]
    assert stronger.shape[0] == captioned(plain[-160:], "a:1", lines=told).shape[0]
    assert stronger[-160:].std() > 5 * enlarged(image_picture(faint)).std()


def test_images_of_any_number_of_channels_can_be_shown() -> None:
    for channels in (1, 2, 3, 5):
        image = torch.rand(channels, 4, 5, generator=torch.Generator().manual_seed(1))
        assert coloured(image).shape == (3, 4, 5)
        assert torch.equal(coloured(image)[0], image[0])


def test_a_film_has_the_frames_of_all_jobs_side_by_side() -> None:
    film = Film(SPACE, every=2)
    size = (3, 8, 8)
    for job in (Job((0, 2), (), (), size, (0, 0), size), Job((1,), (), (), size, (0, 0), size)):
        for step in range(5):
            film.add(job, step, torch.zeros(len(job.places), *size))
    pictures = film.pictures(columns=3)
    assert len(pictures) == 3
    assert pictures[0].shape == (192, 3 * 192 + 2 * 2, 3)
    assert (pictures[0][:192, :192] == 102).all()
