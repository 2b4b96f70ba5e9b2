"""Options that take several words, in any order: `--datasets A B C --test x y`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from typer.core import TyperCommand


class Lists(TyperCommand):
    """A command whose repeatable options take all words up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse `args` with the name of such an option before each of its words."""
        options = [param for param in self.params if param.param_type_name == "option"]
        several = {name for each in options if each.multiple for name in each.opts}  # pyright: ignore
        valued = {
            name
            for each in options
            if not (each.is_flag or each.count)  # pyright: ignore
            for name in each.opts
        }
        return super().parse_args(ctx, gathered(args, several, valued))


def gathered(args: Sequence[str], several: Collection[str], valued: Collection[str]) -> list[str]:
    """Return the words with the name of a list option before each of its words.

    Where that leaves no word that stands alone, as the workload does, the words stay as they are.

    Args:
        args: The words behind the command.
        several: Names of options that take all words up to the next option.
        valued: Names of options that take a word, those of `several` among them.

    Example:
        >>> gathered(["cnn", "--datasets", "a", "b"], {"--datasets"}, {"--datasets"})
        ['cnn', '--datasets', 'a', '--datasets', 'b']
    """
    done, alone, option, rest = list[str](), 0, "", iter(args)
    for word in rest:
        if word == "--":
            done += [word, *(after := list(rest))]
            alone += len(after)
        elif word.startswith("-") and word != "-":
            name, given, _ = word.partition("=")
            option = name if name in several else ""
            done.append(word)
            if name in valued and not given:
                done += [value for value in (next(rest, None),) if value is not None]
        elif option:
            done += [option, word]
        else:
            done.append(word)
            alone += 1
    return done if alone else list(args)
