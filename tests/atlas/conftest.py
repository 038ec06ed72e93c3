"""The fixtures of the atlas's tests; see `building`."""

from building import (  # noqa: F401 - pytest finds fixtures by name
    build,
    finished_atlas,
    finished_digest,
    network,
    pictures_folder,
    small_shards,
    tmp_path,
)
