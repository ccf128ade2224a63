"""Mutations of Python source: small changes, one at a time, that tests should notice."""

import ast
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
NAMES = {
    "amax": "amin",
    "amin": "amax",
    "max": "min",
    "min": "max",
    "maximum": "minimum",
    "minimum": "maximum",
    "mean": "sum",
    "sum": "mean",
    "argmax": "argmin",
    "argmin": "argmax",
    "floor": "ceil",
    "ceil": "floor",
    "any": "all",
    "all": "any",
}


@dataclass(frozen=True)
class Mutant:
    """One changed module.

    Args:
        path: The module's file, relative to the repository.
        line: The line that is changed.
        before: The changed expression, as it was.
        after: The changed expression.
        source: The whole changed module.
    """

    path: str
    line: int
    before: str
    after: str
    source: str

    def __str__(self) -> str:
        """Return one line that locates and shows the change."""
        return f"{self.path}:{self.line}: {self.before} -> {self.after}"


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of its code.

    Docstrings, annotations, imports, error messages and assertions are left alone.
    """
    tree = ast.parse(source)
    count = sum(1 for _ in _places(tree))
    for number in range(count):
        copy = deepcopy(tree)
        node = next(node for index, node in enumerate(_places(copy)) if index == number)
        before, line = ast.unparse(node), node.lineno
        _change(node)
        after = ast.unparse(node)
        yield Mutant(path, line, before, after, ast.unparse(ast.fix_missing_locations(copy)))


def _places(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """Yield the nodes below one that can be changed."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or _is_skipped(child):
                continue
            if isinstance(child, ast.expr | ast.AugAssign) and _changeable(child):
                yield child
            yield from _places(child)


def _is_skipped(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring
    # Aliases of types are no computation.
    return isinstance(node, ast.Subscript) and ast.unparse(node).startswith(
        ("Literal", "dict[str, T", "tuple[", "list[", "npt.", "NDArray", "Callable")
    )


def _changeable(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return type(node.ops[0]) in COMPARISONS
    if isinstance(node, ast.BinOp | ast.AugAssign):
        return type(node.op) in ARITHMETIC and not _is_union(node) and not _has_text(node)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, bool | int | float)
    if isinstance(node, ast.Attribute):
        return node.attr in NAMES
    if isinstance(node, ast.UnaryOp):
        # The number of a dimension is changed as a constant: 2 and -2 may be the same one.
        return isinstance(node.op, ast.Not | ast.USub | ast.Invert) and not _is_integer(node)
    return isinstance(node, ast.BoolOp)


def _is_integer(node: ast.UnaryOp) -> bool:
    """Return whether a node is an integer with its sign."""
    return isinstance(node.operand, ast.Constant) and isinstance(node.operand.value, int)


def _is_union(node: ast.AST) -> bool:
    """Return whether a node is a union of types, such as ``Tensor | None``."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)):
        return False
    names = (ast.unparse(node.left), ast.unparse(node.right))
    return any(name == "None" or name.split(".")[-1][:1].isupper() for name in names)


def _has_text(node: ast.AST) -> bool:
    """Return whether a string takes part: joining texts and paths is no arithmetic."""
    return any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) for part in ast.walk(node)
    )


def _change(node: ast.expr | ast.stmt) -> None:
    """Change a node in place."""
    if isinstance(node, ast.Compare):
        node.ops[0] = COMPARISONS[type(node.ops[0])]()
    elif isinstance(node, ast.BinOp | ast.AugAssign):
        node.op = ARITHMETIC[type(node.op)]()
    elif isinstance(node, ast.Constant):
        node.value = _other(node.value)
    elif isinstance(node, ast.Attribute):
        node.attr = NAMES[node.attr]
    elif isinstance(node, ast.UnaryOp):
        # Negated twice, a value is as if the operator were not there.
        node.operand = ast.UnaryOp(deepcopy(node.op), node.operand)
    elif isinstance(node, ast.BoolOp):
        node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()


def _other(value: float) -> float:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    # Doubled, a small number that only guards against a division by zero would change nothing.
    return value * 2 if abs(value) > 1e-3 else 1.0
