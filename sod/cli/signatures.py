"""Parameters of this package's classes, read from their source: nothing is imported."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
DEEPEST = 3
"""Levels of nested fields that are followed."""


def parameters(module: str, name: str, levels: int = DEEPEST) -> Iterator[str]:
    """Yield the dotted names of the parameters of a class, with the fields of nested dataclasses.

    A mapping takes any key: it is ``NAME.*``.

    Args:
        module: Dotted name of a module of this package.
        name: Name of the class in it.
        levels: Levels of nesting that are followed.
    """
    found = classes(module).get(name)
    if found is None:
        return
    for parameter, annotation in _own(found):
        yield parameter
        for kind in _alternatives(annotation):
            if isinstance(kind, ast.Name) and levels:
                place = module if kind.id in classes(module) else _imports(module).get(kind.id, "")
                yield from (f"{parameter}.{key}" for key in parameters(place, kind.id, levels - 1))
            elif isinstance(kind, ast.Subscript) and ast.unparse(kind.value) == "dict":
                yield f"{parameter}.*"


def _alternatives(annotation: ast.expr | None) -> list[ast.expr]:
    """Return the types of a union, or the only type."""
    if isinstance(annotation, ast.BinOp):
        return [*_alternatives(annotation.left), *_alternatives(annotation.right)]
    return [] if annotation is None else [annotation]


def module_of_method(name: str) -> str | None:
    """Return the module of this package that defines a method, or None.

    Args:
        name: The class name, or its full path.
    """
    for path in sorted((PACKAGE / "methods").rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts)
        if name.rpartition(".")[2] in classes(module):
            return module if "." not in name or name.startswith(f"{module}.") else None
    return None


@cache
def classes(module: str) -> dict[str, ast.ClassDef]:
    """Return the classes of a module by name; none where it is not of this package."""
    return {node.name: node for node in _tree(module).body if isinstance(node, ast.ClassDef)}


@cache
def _tree(module: str) -> ast.Module:
    path = PACKAGE.parent.joinpath(*module.split(".")).with_suffix(".py")
    if not module.startswith("sod.") or not path.is_file():
        return ast.Module([], [])
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(module: str) -> dict[str, str]:
    """Return the module that each name is imported from."""
    nodes = [node for node in _tree(module).body if isinstance(node, ast.ImportFrom)]
    return {alias.name: node.module or "" for node in nodes for alias in node.names}


def _own(node: ast.ClassDef) -> Iterator[tuple[str, ast.expr | None]]:
    """Yield the parameters of a constructor, or the fields of a dataclass, with annotations."""
    for item in node.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            arguments = [*item.args.args[1:], *item.args.kwonlyargs]
            yield from ((each.arg, each.annotation) for each in arguments)
        elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            yield item.target.id, item.annotation
