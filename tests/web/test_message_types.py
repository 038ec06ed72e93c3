"""The page's type declarations say what messages.py says."""

import inspect
import types
import typing
from pathlib import Path

from typing_extensions import get_type_hints, is_typeddict

from striate.web import messages, messages_concepts

DECLARATIONS = Path(inspect.getfile(messages)).with_suffix(".d.ts")
NAMES = {int: "number", float: "number", str: "string", bool: "boolean", type(None): "null"}


def spelled(hint: object) -> str:
    """A type as TypeScript writes it."""
    if isinstance(hint, type) and hint in NAMES:
        return NAMES[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return " | ".join(spelled(argument) for argument in arguments)
    if origin is list:
        inner = spelled(arguments[0])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if origin is tuple:
        return f"[{', '.join(spelled(argument) for argument in arguments)}]"
    if origin is dict:
        return f"{{[key: string]: {spelled(arguments[1])}}}"
    if is_typeddict(hint):
        return typing.cast(type, hint).__name__
    raise TypeError(f"{hint} has no spelling in TypeScript here")


def declarations() -> str:
    """All messages as TypeScript interfaces."""
    lines = ["// Made from messages*.py by tests/web/test_message_types.py; see there."]
    told = [
        (name, message)
        for module in (messages, messages_concepts)
        for name, message in vars(module).items()
        if is_typeddict(message) and message.__module__ == module.__name__
    ]
    for name, message in told:
        lines.append(f"\nexport interface {name} {{")
        lines += [f"  {key}: {spelled(hint)};" for key, hint in get_type_hints(message).items()]
        lines.append("}")
    return "\n".join(lines) + "\n"


def test_the_declarations_are_those_of_the_messages() -> None:
    assert DECLARATIONS.read_text() == declarations(), (
        "the messages have changed; write the declarations anew with "
        "`python tests/web/test_message_types.py`"
    )


if __name__ == "__main__":
    DECLARATIONS.write_text(declarations())
