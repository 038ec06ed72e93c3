"""The options that say how to load a network, shared by the verbs."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from striate.atlas.recipe import Recipe

NetworkName = Annotated[
    str,
    typer.Argument(
        metavar="NETWORK",
        help="resnet18, timm/convnext_atto, demo, NAME@FILE, FILE.pt2 or "
        "package.module:factory[@FILE].",
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

_LAST_SEED = 2**63 - 1
"""The largest that torch, numpy and an atlas's file can all hold."""


def _checked_seed(given: Any) -> Any:
    """Return a seed, or several, or None.

    Raises:
        BadParameter: If no generator takes one.
    """
    for seed in given if isinstance(given, list) else [given or 0]:
        if not 0 <= seed <= _LAST_SEED:
            msg = f"{seed} is no seed; take a number from 0 to {_LAST_SEED}"
            raise typer.BadParameter(msg)
    return given


def seed_option(text: str) -> Any:
    """Return an option ``--seed`` for a number, or for a list of them.

    Args:
        text: What is random.
    """
    return typer.Option("--seed", help=text, callback=_checked_seed)


def check_pictures(*pictures: Path | None) -> None:
    """Read pictures once, so that mistakes are told before the network is loaded.

    Args:
        pictures: Their files; None: not given.

    Raises:
        ImageError: If one cannot be read.
    """
    from striate.image.decode import decode

    for picture in pictures:
        if picture is not None:
            decode(picture)


Load = Callable[..., Any]
"""Loads the network that the options name, on a device if they name none: see `with_network`.

With ``at_own_size`` --resize and --crop change the pictures alone, where the network has a size.
"""


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
    """Return the recipe that the options describe; "demo" is the embedded network.

    Raises:
        BadParameter: If numbers are not numbers, or the embedded network is to be random.
    """
    from striate.atlas.recipe import Recipe

    given = {
        "resize": resize,
        "crop": crop,
        "interpolation": interpolation,
        "antialias": antialias,
        "mean": numbers(mean),
        "std": numbers(std),
    }
    said: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    made = Recipe(network)
    if network == "demo":
        from striate.demo.job import demo_recipe

        if random:
            msg = "the demo's network is a trained one; leave --random out"
            raise typer.BadParameter(msg)
        made = demo_recipe()
    return replace(made, weights=None if random else "default", **said)


def with_network(command: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that say how to load a network.

    Args:
        command: The verb, with a parameter ``load: Load``. On the command line NETWORK stands in
            its place, and the options come last.

    Returns:
        The verb for typer.
    """
    own = inspect.signature(command).parameters
    options = inspect.signature(_loaded).parameters

    def verb(**given: Any) -> None:
        asked = {name: given.pop(name) for name in options}

        def load(device: str | None = None, *, at_own_size: bool = False) -> Any:
            given = {**asked, "device": asked["device"] or device}
            return _at_own_size(**given) if at_own_size else _loaded(**given)

        command(load=load, **given)

    network, *others = options.values()
    shown = [network if name == "load" else parameter for name, parameter in own.items()]
    verb.__signature__ = inspect.Signature([*shown, *others])  # type: ignore[attr-defined]
    verb.__annotations__ = {parameter.name: parameter.annotation for parameter in [*shown, *others]}
    verb.__doc__, verb.__name__ = command.__doc__, command.__name__
    return verb


def _loaded(
    network: NetworkName,
    *,
    random: Random = False,
    resize: Resize = None,
    crop: Crop = None,
    interpolation: Interpolation = None,
    antialias: Antialias = None,
    mean: Numbers = None,
    std: Numbers = None,
    device: Device = None,
) -> Any:
    made = recipe(
        network, random=random, resize=resize, crop=crop, interpolation=interpolation,
        antialias=antialias, mean=mean, std=std,
    )  # fmt: skip
    return made.load(device)


def _at_own_size(**given: Any) -> Any:
    sizes = {name: given[name] for name in ("resize", "crop") if given[name] is not None}
    # The user's own code says nothing of a size, and may not run at the one taken by default.
    if sizes and ":" not in given["network"]:
        loaded = _loaded(**{**given, "resize": None, "crop": None})
        reads = loaded.preprocessing
        if reads is not None and reads.image_size is not None:
            return replace(loaded, preprocessing=replace(reads, **sizes))
    return _loaded(**given)
