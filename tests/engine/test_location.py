"""Weights files that a checkpoint refers to, found from another folder."""

from hashlib import sha256
from pathlib import Path

import pytest

import sod
from sod.cli import main
from sod.core.errors import SodError
from sod.data.synthetic import write_scenes
from sod.engine.checkpoint import backbone_changes, read_checkpoint
from sod.engine.location import locate_weights, weights_checksums


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delenv("SOD_WEIGHTS", raising=False)
    return tmp_path


def put(path: Path, content: bytes = b"right") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


RIGHT = sha256(b"right").hexdigest()


def located(folder: Path, name: str, checksum: str | None = RIGHT) -> str:
    arguments = {"tau": 0.2, "students": [{"backbone": {"name": "x", "weights": name}}]}
    sums = {} if checksum is None else {name: checksum}
    result = locate_weights(arguments, folder / "run" / "last.ckpt", sums)
    assert result["tau"] == 0.2
    return str(result["students"][0]["backbone"]["weights"])


def test_the_same_relative_path_from_a_folder_above_the_checkpoint(elsewhere: Path) -> None:
    file = put(elsewhere / "weights" / "vit.pth")
    assert Path(located(elsewhere, "weights/vit.pth")).resolve() == file
    assert Path(located(elsewhere / "runs" / "0", "weights/vit.pth", None)).resolve() == file


@pytest.mark.parametrize("place", ["run", "run/weights", "elsewhere/weights", "elsewhere/datasets"])
def test_beside_the_checkpoint_and_in_the_usual_folders(place: str, elsewhere: Path) -> None:
    assert located(elsewhere, "/gone/vit.pth") == "/gone/vit.pth"
    file = put(elsewhere / place / "vit.pth")
    assert Path(located(elsewhere, "/gone/vit.pth")).resolve() == file


def test_another_name_with_the_content_of_the_checksum(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(elsewhere / "store" / "vit.pth", b"wrong")
    file = put(elsewhere / "store" / "renamed.pth")
    monkeypatch.setenv("SOD_WEIGHTS", str(elsewhere / "store"))
    assert Path(located(elsewhere, "gone/vit.pth")).resolve() == file
    # Without a checksum the name decides, and the checksum of the features after it.
    assert Path(located(elsewhere, "gone/vit.pth", None)).name == "vit.pth"


def test_a_file_that_is_there_and_the_hub_stay(elsewhere: Path) -> None:
    put(elsewhere / "elsewhere" / "vit.pth", b"other")
    assert located(elsewhere, "vit.pth") == "vit.pth"
    assert located(elsewhere, "hub") == "hub"


def test_checksums_are_those_of_the_named_files(elsewhere: Path) -> None:
    put(elsewhere / "elsewhere" / "vit.pth")
    backbone = {"weights": "vit.pth"}
    assert weights_checksums({"backbone": backbone, "x": [backbone]}) == {"vit.pth": RIGHT}
    assert weights_checksums({"backbone": {"weights": "gone.pth"}}) == {}
    assert weights_checksums({"backbone": {"weights": "hub"}}) == {}


def test_a_checkpoint_works_from_any_folder(
    elsewhere: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = "vit_tiny_patch16_224.safetensors"
    (elsewhere / "home" / "weights").mkdir(parents=True)
    (elsewhere / "home" / "weights" / weights).symlink_to(shared / "weights" / weights)
    monkeypatch.chdir(elsewhere / "home")
    write_scenes(Path("own"), count=2, size=48, seed=1)
    backbone = {"name": "vit_tiny_patch16_224", "weights": f"weights/{weights}", "block": "2"}
    words = ["fit", "--config", "peekaboo_plus", "--data.train", "own", "--data.size=48"]
    words += [f"--model.backbone.{key}={value}" for key, value in backbone.items()]
    words += ["--data.batch_size=2", "--trainer.max_steps=1", "--trainer.limit_val_batches=0"]
    assert main([*words, "--data.num_workers=0", "--out", "run"]) == 0
    (checksum,) = read_checkpoint("run/last.ckpt")["weights_sha256"].values()
    assert checksum == sha256((shared / "weights" / weights).read_bytes()).hexdigest()
    image = elsewhere / "home" / "own" / "images" / "0000.png"
    expected = sod.load("run/last.ckpt", device="cpu")(image)
    monkeypatch.chdir(elsewhere / "elsewhere")
    checkpoint = elsewhere / "home" / "run" / "last.ckpt"
    words = ["predict", "--ckpt", str(checkpoint), "--source", str(image), "--output", "map"]
    assert main([*words, "--out", "out"]) == 0
    assert (sod.load(checkpoint, device="cpu")(image) == expected).all()
    moved = put(elsewhere / "moved" / "last.ckpt", checkpoint.read_bytes())
    with pytest.raises(SodError, match=r"weights/vit_tiny.*no such weights file; give it as"):
        sod.load(moved, device="cpu")


def test_other_features_are_named_and_not_the_weights() -> None:
    trained = {"backbone": {"name": "vit", "block": 6, "weights": "a.pth", "facet": "key"}}
    configured = {"backbone": {"name": "vit", "block": 4, "weights": "b.pth", "facet": "value"}}
    assert backbone_changes(trained, configured) == (
        "--model.backbone.block 6 and not 4, --model.backbone.facet key and not value"
    )
    same = {"backbone": {**configured["backbone"], "weights": "c.pth"}}
    assert backbone_changes(same, configured) == ""
    assert backbone_changes({}, configured) == backbone_changes(None, {}) == ""
