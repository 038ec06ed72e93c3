"""``striate net2vec``: concepts as weighted sums of units, learnt from labelled images."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from striate.cli.default_group import DefaultGroup
from striate.cli.dissect_options import Concepts, Folder, More, sets
from striate.cli.options import Device, Json, seed_option
from striate.cli.progress import ProgressLine

if TYPE_CHECKING:
    from striate.dissection.net2vec.vectors import ConceptVectors, Neighbour

Task = Annotated[str, typer.Option(help="segmentation or classification.")]
OneLayer = Annotated[
    str | None, typer.Option("--layer", help="Address. [default: the one there is]")
]

app = typer.Typer(
    cls=DefaultGroup,
    no_args_is_help=True,
    help="How concepts are spread over a layer's units (Net2Vec): DIR learns them; show, near, sum "
    "and picture ask.",
    rich_markup_mode=None,
)


@app.command("learn")
def learn(  # noqa: PLR0913 - one parameter an option
    folder: Folder,
    concepts: Concepts,
    layers: Annotated[list[str], typer.Option("--layer", help="May be repeated.")],
    more: More = None,
    *,
    task: Task = "segmentation",
    loss: Annotated[
        str | None, typer.Option(help="cross-entropy or published. [default: cross-entropy]")
    ] = None,
    bias: Annotated[
        bool | None, typer.Option(help="Learn a constant. [default: not if published]")
    ] = None,
    units: Annotated[
        list[int] | None,
        typer.Option(help="Of a subset; may be repeated. [default: 1, 2, 4, ...]"),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="How often images are seen.")] = 30,
    quantile: Annotated[
        float, typer.Option(help="Share of activations that count as active.")
    ] = 0.005,
    ratio: Annotated[int, typer.Option(min=1, help="Pixels of the input for one of a mask.")] = 2,
    seed: Annotated[int, seed_option("Of first weights and order.")] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="Learn anew.")] = False,
    device: Device = None,
) -> None:
    """Learn a vector for each concept; layers that are done are not done again."""
    from striate.atlas.recipe import network_of
    from striate.atlas.store.reader import Atlas
    from striate.cli.memory import keep_memory
    from striate.dissection.net2vec.job import net2vec
    from striate.dissection.net2vec.learn import Wanted
    from striate.image.concepts.reading import concept_set

    keep_memory()
    wanted = Wanted.of(task, loss=loss, bias=bias, sizes=units, epochs=epochs, seed=seed)
    atlas = Atlas(folder)
    addresses = [atlas.layer(layer).address for layer in layers]
    asked = sets(concepts, more)
    found = concept_set(asked)
    network = network_of(atlas, device)
    for address in addresses:
        lines = dict[str, ProgressLine]()

        def say(what: str, done: int, total: int, lines: dict[str, ProgressLine] = lines) -> None:
            line = lines.setdefault(what, ProgressLine(what))
            line.counted(done, total)
            if done == total:
                line.__exit__(None, None, None)

        vectors = net2vec(
            network, atlas, found, address, wanted=wanted, quantile=quantile, ratio=ratio,
            restart=restart, sources=asked, progress=say,
        )  # fmt: skip
        for line in table(vectors):
            typer.echo(line)


@app.command("show")
def show(
    folder: Folder,
    *,
    layer: OneLayer = None,
    task: Task = "segmentation",
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
) -> None:
    """Print what was learnt: each concept by its best single unit, by all units, and by some."""
    from striate.dissection.net2vec.tables import csv_of

    _check_formats(as_json, as_csv)
    stored, address = _stored(folder, layer, task)
    vectors = stored.of(address, task)
    if as_json:
        typer.echo(json.dumps(stored.described(address, task), indent=1))
    elif as_csv:
        typer.echo(csv_of(vectors), nl=False)
    else:
        for line in table(vectors):
            typer.echo(line)


@app.command("near")
def near(
    folder: Folder,
    concept: Annotated[str, typer.Argument(metavar="CONCEPT")],
    *,
    layer: OneLayer = None,
    task: Task = "segmentation",
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 5,
) -> None:
    """Print the concepts whose vectors are most like one's own, by their cosine."""
    stored, address = _stored(folder, layer, task)
    _print(stored.of(address, task).nearest(concept, count))


@app.command("sum")
def sum_(
    folder: Folder,
    text: Annotated[str, typer.Argument(metavar="SUM", help="Such as 'grass + blue - green'.")],
    *,
    layer: OneLayer = None,
    task: Task = "segmentation",
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 5,
) -> None:
    """Print the concepts that are nearest to a sum of concepts, those of the sum left out."""
    from striate.dissection.net2vec.vectors import parse_sum

    stored, address = _stored(folder, layer, task)
    _print(stored.of(address, task).combine(parse_sum(text), count))


@app.command("picture")
def picture(
    folder: Folder,
    concept: Annotated[str, typer.Argument(metavar="CONCEPT", help="Or a sum of them.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or .webp file.")],
    *,
    layer: OneLayer = None,
    task: Task = "segmentation",
    steps: Annotated[int | None, typer.Option(min=1, help="[default: the preset's]")] = None,
    seed: Annotated[int, seed_option("Of the noise to start from.")] = 0,
    device: Device = None,
) -> None:
    """Make an image that a layer sees along a concept's vector, and beside it its best unit's."""
    from striate.atlas.recipe import network_of
    from striate.dissection.net2vec.picture import concept_frames, pictured
    from striate.image.encode import checked_kind, save
    from striate.optimize.sheet import sheet
    from striate.optimize.space import Space

    checked_kind(out)
    stored, address = _stored(folder, layer, task)
    network = network_of(stored.atlas, device)
    vectors = stored.of(address, task)
    with ProgressLine("steps") as line:
        for frame in concept_frames(network, vectors, concept, seed=seed, steps=steps):
            line.counted(frame.step + 1, frame.steps)
    found = pictured(network, vectors, concept, frame)
    typer.echo(f"{concept}: {', '.join(found.described())}")
    title = [f"{concept}, {address}"]
    save(sheet([found.image], title, [found.described()], Space.of(network), columns=1), out)
    typer.echo(str(out))


def _check_formats(as_json: bool, as_csv: bool) -> None:
    """Refuse two formats at once.

    Raises:
        BadParameter: If both are asked for.
    """
    if as_json and as_csv:
        msg = "give --json or --csv, not both"
        raise typer.BadParameter(msg)


def table(found: "ConceptVectors") -> list[str]:
    """Return what was learnt in a layer as lines."""
    from striate.dissection.net2vec.tables import lines_of

    return lines_of(found)


def _stored(folder: Path, layer: str | None, task: str):  # type: ignore[no-untyped-def] # noqa: ANN202 - imported late
    """Return what an atlas has, and the address of the layer that is meant.

    Raises:
        AtlasError: If nothing is learnt.
        BadParameter: If there are several layers and none is named, or there is no such task.
    """
    from striate.atlas.store.reader import Atlas
    from striate.dissection.net2vec.results import StoredVectors
    from striate.errors import AtlasError

    if task not in {"segmentation", "classification"}:
        msg = f"no task {task!r}; there are segmentation and classification"
        raise typer.BadParameter(msg)
    stored = StoredVectors(Atlas(folder))
    there = [address for address, of in stored.there() if of == task]
    if layer is None and len(there) > 1:
        msg = f"concepts are learnt in {', '.join(there)}: say which, --layer"
        raise typer.BadParameter(msg)
    if layer is None and not there:
        msg = (
            f"{folder} has no concept vectors by {task}: learn them with `striate net2vec DIR "
            "--concepts SET --layer LAYER`"
        )
        raise AtlasError(msg)
    return stored, there[0] if layer is None else stored.atlas.layer(layer).address


def _print(neighbours: "list[Neighbour]") -> None:
    if not neighbours:
        typer.echo("none: there is no other concept, or the vector is zero")
    for one in neighbours:
        typer.echo(f"{one.cosine:6.3f}  {one.name} ({one.category})")
