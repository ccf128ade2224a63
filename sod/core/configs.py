"""The configs that travel with the package, found by name."""

from pathlib import Path

from sod.core.errors import SodError, suggest

PACKAGE = Path(__file__).parents[1]


def packaged_configs() -> dict[str, Path]:
    """Return the packaged configs by name, in alphabetical order.

    An installed package holds them in its own folder, a checkout beside it.
    """
    inside = PACKAGE / "configs"
    folder = inside if inside.is_dir() else PACKAGE.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def is_config(name: str) -> bool:
    """Return whether a name is that of a YAML file, or of a packaged config and of no file."""
    if name.endswith((".yaml", ".yml")):
        return True
    return name in packaged_configs() and not Path(name).is_file()


def find_config(name: str, option: str = "--config") -> str:
    """Return the path of a config: a file, or a packaged config by its name.

    Args:
        name: A path, or a name such as ``tokencut``; an existing file comes first.
        option: What named it, for the message.

    Raises:
        SodError: There is neither; the nearest of both is suggested.
    """
    path, known = Path(name), packaged_configs()
    if path.is_file():
        return name
    if name.removesuffix(".yaml") in known:
        return str(known[name.removesuffix(".yaml")])
    near = [str(other) for other in path.parent.glob("*.yaml")]
    packaged = [path.stem] if path.stem in known else known
    hint = suggest(name, near) or suggest(path.stem, packaged)
    hint = hint or " `sod configs` lists the packaged ones."
    raise SodError(f"{option} {name}: there is no such file.{hint}")
