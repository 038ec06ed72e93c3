"""The options that say how to load a network, shared by the verbs."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from striate.atlas.recipe import Recipe

NetworkName = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help="resnet18, timm/convnext_atto, NAME@FILE, FILE.pt2 or package.module:factory[@FILE].",
    ),
]
Random = Annotated[bool, typer.Option("--random", help="Random weights (always the same ones).")]
Resize = Annotated[int | None, typer.Option(help="Short side to resize pictures to.")]
Crop = Annotated[int | None, typer.Option(help="Side of the centre crop.")]
Interpolation = Annotated[str | None, typer.Option(help="nearest, bilinear, bicubic, lanczos.")]
Antialias = Annotated[bool | None, typer.Option(help="Resize as Pillow does, or the older way.")]
Numbers = Annotated[str | None, typer.Option(metavar="R,G,B", help="For pixels in [0, 1].")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1. [default: cuda if present]")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Globs = Annotated[
    list[str] | None,
    typer.Option(
        "--layers", metavar="GLOB", help="Address or glob, such as 'layer3.*'; may be repeated."
    ),
]


def numbers(text: str | None) -> tuple[float, ...] | None:
    """Read comma-separated numbers.

    Raises:
        BadParameter: If it is something else.

    >>> numbers("0.5,0.5,0.5")
    (0.5, 0.5, 0.5)
    """
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        msg = f"{text!r} is not a list of numbers such as 0.485,0.456,0.406"
        raise typer.BadParameter(msg) from error


def recipe(
    network: str,
    *,
    random: bool = False,
    resize: int | None = None,
    crop: int | None = None,
    interpolation: str | None = None,
    antialias: bool | None = None,
    mean: str | None = None,
    std: str | None = None,
) -> "Recipe":
    """Return the recipe that the options describe."""
    from striate.atlas.recipe import Recipe

    return Recipe(
        network,
        weights=None if random else "default",
        resize=resize,
        crop=crop,
        interpolation=interpolation,
        antialias=antialias,
        mean=numbers(mean),
        std=numbers(std),
    )
