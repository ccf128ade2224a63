"""The installed package, with no checkout near."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from helpers.places import CONFIGS, ROOT

from sod.data.synthetic import write_scenes


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `sod` of an environment that holds the wheel, and finds its dependencies elsewhere."""
    folder = tmp_path_factory.mktemp("wheel")
    words = ["wheel", "--no-deps", "--quiet", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=300)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=False)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder / "env")}))
    words = ["install", "--no-deps", "--quiet", "--target", str(site), str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, timeout=300)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Path(sysconfig.get_path("scripts", "venv", {"base": str(folder / "env")})) / "python"


@pytest.mark.slow
def test_the_wheel_works_where_there_is_no_checkout(program: Path, tmp_path: Path) -> None:
    write_scenes(tmp_path / "scenes", count=2, size=48, seed=1)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(program), *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert str(ROOT) not in run("-c", "import sod; print(sod.__file__)")
    names = {line.split()[0] for line in run("-m", "sod", "configs").splitlines()[1:]}
    assert names == {path.stem for path in CONFIGS.glob("*.yaml")}
    run("-m", "sod", "predict", "--config", "demo", "--source", "scenes/images", "--out", "cut")
    assert len(list((tmp_path / "cut" / "cutout").glob("*.png"))) == 2
    assert "py.typed" in run("-c", "import sod, os; print(os.listdir(sod.__path__[0]))")
