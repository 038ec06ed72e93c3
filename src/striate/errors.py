"""What can go wrong, as a tree.

::

    StriateError
    ├── AddressError     (LookupError)   no such layer, unit or neuron
    ├── NetworkError     (ValueError)    a network cannot be loaded or traced
    ├── ImageError       (ValueError)    a picture cannot be read
    ├── MethodError      (ValueError)    a method does not apply here
    └── AtlasError       (RuntimeError)  an atlas cannot be built, resumed or opened

Every message says what was asked, what was found, and what would work.
"""


class StriateError(Exception):
    """The root of every error that striate raises on purpose."""


class AddressError(StriateError, LookupError):
    """An address names no layer, unit or neuron of this network."""


class NetworkError(StriateError, ValueError):
    """A network cannot be loaded, traced or run as asked."""


class ImageError(StriateError, ValueError):
    """A picture, or a list of pictures, cannot be read."""


class MethodError(StriateError, ValueError):
    """A method does not apply to this network, layer or unit."""


class AtlasError(StriateError, RuntimeError):
    """An atlas cannot be built, resumed or opened."""
