"""A verb that is a group of others and does something itself: ``striate verb DIR``."""

from typing import Any

from typer.core import TyperGroup


class DefaultGroup(TyperGroup):
    """``striate verb DIR`` runs the first command; others are named. A folder "show" is ./show."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first command's name before what names none."""
        if args and args[0] not in {*self.commands, "--help"}:
            args = [next(iter(self.commands)), *args]
        result: list[str] = super().parse_args(ctx, args)
        return result
