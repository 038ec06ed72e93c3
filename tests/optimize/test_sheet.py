"""Pictures of made images: faint ones are shown stronger and say so, others as they are."""

import tracemalloc

import numpy as np
import pytest
import torch

from striate.image.grid import captioned
from striate.image.render import image_picture
from striate.optimize import sheet as module
from striate.optimize.job import Job
from striate.optimize.sheet import (
    FRAMES,
    Film,
    coloured,
    contrast,
    enlarged,
    least_size,
    sheet,
    sizes_of,
)
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


def job(places: tuple[int, ...], side: int) -> Job:
    return Job(places, (), (), (3, side, side), (0, 0), (3, side, side))


def filmed(film: Film, jobs: list[Job], steps: int) -> None:
    for one in jobs:
        for step in range(steps):
            film.add(one, step, torch.zeros(len(one.places), *one.size))


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_a_sheet_is_no_smaller_than_was_foreseen(columns: int) -> None:
    jobs = [job((0, 3), 30), job((1, 2, 4), 100)]
    sizes = sizes_of(jobs)
    assert sizes == [(30, 30), (100, 100), (100, 100), (30, 30), (100, 100)]
    images = [torch.zeros(3, *size) for size in sizes]
    for lines in (["reaches 3", "rank 1 in its layer"], ["reaches 3"] * 3):
        made = sheet(images, ["a:1"] * 5, [lines] * 5, SPACE, columns=columns)
        least = least_size(sizes, columns)
        assert least[1] == made.shape[1]
        assert least[0] <= made.shape[0]
        if len(lines) == 2:
            assert made.shape[0] == least[0]


def test_a_film_has_the_frames_of_all_jobs_side_by_side() -> None:
    jobs = [job((0, 2), 8), job((1,), 8)]
    film = Film(SPACE, jobs, 2 * FRAMES, columns=3)
    filmed(film, jobs, 2 * FRAMES)
    pictures = list(film.pictures(jobs))
    assert len(pictures) == FRAMES
    assert not film.thinned
    assert pictures[0].shape == (*film.size, 3) == (192, 3 * 192 + 2 * 2, 3)
    assert (pictures[0][:192, :192] == 102).all()


def test_a_film_of_unlike_canvases_has_the_foreseen_size() -> None:
    jobs = [job((0, 2), 100), job((1,), 64)]
    film = Film(SPACE, jobs, 3, columns=2)
    filmed(film, jobs, 3)
    assert [picture.shape for picture in film.pictures(jobs)] == [(*film.size, 3)] * 3


def test_a_job_that_begins_again_without_some_has_the_frames_of_its_last_run() -> None:
    whole = job((0, 1, 2), 8)
    film, rest = Film(SPACE, [whole], 6), job((0, 2), 8)
    filmed(film, [whole], 3)
    filmed(film, [rest], 6)
    assert [picture.shape for picture in film.pictures([rest])] == [(192, 2 * 192 + 2, 3)] * 6


@pytest.mark.parametrize("units", [4, 16, 64])
def test_a_film_takes_no_more_memory_than_it_may(
    monkeypatch: pytest.MonkeyPatch, units: int
) -> None:
    monkeypatch.setattr(module, "_MEMORY", 3_000_000)
    jobs = [job(tuple(range(start, start + 4)), 64) for start in range(0, units, 4)]
    film, needed = Film(SPACE, jobs, 120), units * 192 * 192 * 3
    tracemalloc.start()
    try:
        filmed(film, jobs, 120)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    count = len(list(film.pictures(jobs)))
    assert film.thinned
    # A film has two pictures at least.
    assert needed * count <= kept + 100_000
    assert kept < max(3_000_000, 2 * needed) + 100_000
    assert count == max(3_000_000 // needed, 2)
