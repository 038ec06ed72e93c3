"""``striate maximize --facets`` and ``--preset centre-bias``: the facets of a unit."""

from collections import deque
from typing import TYPE_CHECKING

import typer

from striate.cli.progress import ProgressLine
from striate.cli.wish import Wish, check_room, go_through

if TYPE_CHECKING:
    import numpy as np

    from striate.atlas.portraits import Originals
    from striate.atlas.store.reader import Atlas
    from striate.methods.multifaceted import FacetFrame
    from striate.network.address import Address
    from striate.network.network import Network

_EACH = 25
"""Images a facet: the mean takes fifteen, and groups are not of one size."""
_SHOWN = 4


def faceted(network: "Network", wish: Wish, count: int, images: int | None, atlas: "Atlas") -> None:
    """Make facets of one unit from the images of an atlas that excite it most.

    Args:
        network: The network.
        wish: What is asked for.
        count: How many facets.
        images: How many images to group.
        atlas: The atlas.
    """
    import torch

    from striate.atlas.portraits import Originals
    from striate.atlas.recipe import check_network, image_paths
    from striate.image.encode import save
    from striate.methods.multifaceted import finished, multifaceted_frames
    from striate.optimize.sheet import sheet
    from striate.optimize.space import Space

    asked = wish.addresses[0]
    check_network(atlas, network)
    originals = Originals(atlas, image_paths(atlas))
    strongest = _strongest(atlas, originals, network, asked, images or _EACH * count)
    given = torch.stack([originals[image] for image, _ in strongest])
    last = deque["FacetFrame"](maxlen=1)

    def write() -> None:
        if not last[0].last:
            return
        found, space = finished(last[0]), Space.of(network)
        _, address = network.layers.resolve(asked)
        said = found.described({str(address): strongest[0][1]})
        photographs = space.pixels(given.to(space.mean)).clamp(0, 1)
        shown, titles, lines = [], [], []
        for index, members in enumerate(found.members):
            names = [atlas.image_names[strongest[member][0]] for member in members]
            typer.echo(f"facet {index}: {', '.join(said[index])}: {' '.join(names)}")
            shown += [found.picture(index), found.start(index)]
            titles += [f"facet {index}", "start"]
            lines += [said[index], [f"mean of {min(len(members), found.averaged)}"]]
            for member, name in list(zip(members, names, strict=True))[:_SHOWN]:
                shown.append(photographs[member])
                titles.append(name)
                lines.append([f"reaches {strongest[member][1]:.4g}"])
            for _ in range(len(members), _SHOWN):
                shown.append(torch.ones(3, 8, 8))
                titles.append("")
                lines.append([])
        for member in sorted(set(range(len(strongest))) - set(sum(found.members, ()))):
            name = atlas.image_names[strongest[member][0]]
            typer.echo(f"{name} is in no facet: its codes are not finite", err=True)
        save(sheet(shown, titles, lines, space, columns=2 + _SHOWN), wish.out)
        typer.echo(str(wish.out))

    run = multifaceted_frames(
        network, asked, given, facets=count, seed=wish.seed, size=wish.size, steps=wish.steps
    )
    go_through(run, last.append, write)


def centred(network: "Network", wish: Wish, known: dict[str, float]) -> None:
    """Make images with centre bias.

    Args:
        network: The network.
        wish: What is asked for.
        known: Largest activation of units on real images, by address.
    """
    from striate.image.encode import save
    from striate.methods.multifaceted import CANVAS, centre_bias_frames, finished
    from striate.optimize.job import plan
    from striate.optimize.sheet import sheet
    from striate.optimize.space import Space

    check_room(plan(network, wish.addresses, CANVAS, size=wish.size), wish)
    last = deque["FacetFrame"](maxlen=1)

    def write() -> None:
        for address, reason in last[0].failures.items():
            typer.echo(f"no image of {address}: {reason}", err=True)
        if not last[0].last:
            return
        found = finished(last[0])
        titles, lines = [str(address) for address in found.addresses], found.described(known)
        pictures = [found.picture(k) for k in range(len(titles))]
        for title, said in zip(titles, lines, strict=True):
            typer.echo(f"{title}: {', '.join(said)}")
        save(sheet(pictures, titles, lines, Space.of(network), columns=wish.columns), wish.out)
        typer.echo(str(wish.out))

    run = centre_bias_frames(
        network, wish.addresses, seed=wish.seed, size=wish.size, steps=wish.steps
    )
    go_through(run, last.append, write)


def _strongest(
    atlas: "Atlas", originals: "Originals", network: "Network", asked: str, count: int
) -> list[tuple[int, float]]:
    """Return the images of an atlas that excite a unit most, with how much."""
    import numpy as np

    layer, address = network.layers.resolve(asked)
    if layer.address in atlas.layers and address.row is None:
        values = np.asarray(atlas.responses(layer.address)[:, address.unit or 0], np.float64)
    else:
        values = _measured(atlas, originals, network, address)
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:count]
    return [(int(image), float(values[image])) for image in order if np.isfinite(values[image])]


def _measured(
    atlas: "Atlas", originals: "Originals", network: "Network", address: "Address"
) -> "np.ndarray":
    """Return a unit's largest activation, or a neuron's, in each image: no atlas keeps the last."""
    import numpy as np
    import torch

    found, layer = np.full(len(atlas.images), np.nan), address.layer
    seen = [number for number, image in enumerate(atlas.images) if image.seen]
    with ProgressLine("images") as line:
        for start in range(0, len(seen), _EACH):
            part = seen[start : start + _EACH]
            batch = torch.stack([originals[image] for image in part])
            recorded = network.record(batch.to(network.device, network.dtype), [layer])[layer]
            maps = network.layers[layer].maps(recorded)[:, address.unit or 0]
            if address.row is not None and address.column is not None:
                maps = maps[:, address.row : address.row + 1, address.column : address.column + 1]
            found[part] = maps.flatten(1).amax(1).cpu().numpy()
            line.counted(start + len(part), len(seen))
    return found
