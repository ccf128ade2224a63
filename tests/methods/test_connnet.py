import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.network_cases import CNN
from helpers.places import CONFIGS
from PIL import Image

from sod.cli import main
from sod.cli.app import assemble
from sod.cli.catalogue import COMMANDS
from sod.core.errors import SodError
from sod.data.dataset import Batch
from sod.data.samples import Sample
from sod.data.synthetic import write_scenes
from sod.labels.learner import LabelsConfig
from sod.methods.connnet import ConnNet
from sod.nn.backbones.build import BackboneConfig
from sod.nn.backbones.build_pyramid import build_pyramid
from sod.nn.backbones.standardised import StandardisedBackbone
from sod.nn.decoders.heads import HeadConfig
from sod.nn.decoders.network import NetworkConfig
from sod.nn.inference import InferenceConfig

FREE = BackboneConfig("descriptor", None)
OPTIONS = [
    "--model.backbone.name=descriptor",
    "--model.backbone.weights=null",
    "--data.num_workers=0",
    "--data.size=48",
    "--data.batch_size=2",
    "--data.val_images=0",
    "--trainer.max_steps=3",
    "--trainer.val_check_interval=null",
]


def batch(masks: list[torch.Tensor]) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(len(masks), 3, *masks[0].shape, generator=generator)
    samples = [Sample(str(index), Path(f"{index}.png")) for index in range(len(masks))]
    return Batch(images=images, masks=list(masks), samples=samples, errors=[])


def square(low: int, high: int) -> torch.Tensor:
    mask = torch.zeros(32, 32, dtype=torch.uint8)
    mask[low:high, low:high] = 255
    return mask


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    write_scenes(tmp_path / "scenes", count=4, size=48, seed=3)
    return tmp_path / "scenes"


def fit(scenes: Path, out: Path, *more: str) -> int:
    config = ["--config", str(CONFIGS / "connnet.yaml")]
    return main(["fit", *config, *OPTIONS, f"--data.train={scenes}", f"--out={out}", *more])


@pytest.mark.parametrize("kind", ["connectivity", "binary"])
@pytest.mark.parametrize("decoder", ["cascade", "linear"])
def test_it_learns_the_masks_it_is_given(kind: str, decoder: str) -> None:
    torch.manual_seed(0)
    scene = torch.zeros(1, 3, 64, 64)
    scene[..., 16:48, 16:48] = 1
    mask = (255 * scene[0, 0]).byte()
    method = assemble(
        COMMANDS["test"],
        [
            "--model=ConnNet",
            *OPTIONS[:2],
            f"--model.head.kind={kind}",
            "--model.head.aggregation=max",
            f"--model.network.decoder={decoder}",
        ],
    ).method
    assert isinstance(method, ConnNet)
    given = batch([mask])
    given["images"] = scene
    adam = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], lr=0.02)
    for _ in range(60):
        adam.zero_grad()
        method.loss(given).loss.backward()
        adam.step()
    with torch.no_grad():
        painted = method.eval().saliency(scene)[0, 0] > 0.5
    truth = mask > 0
    assert (painted & truth).sum() / (painted | truth).sum() > 0.75


def test_the_loss_of_a_binary_head_is_its_weighted_cross_entropy() -> None:
    network = NetworkConfig(decoder="linear", standardise=False)
    labels = LabelsConfig(weight_images=True, weight_pixels=True)
    method = ConnNet(FREE, network, HeadConfig("binary"), labels)
    method.label_weights = {"0": 1.0, "1": 0.25}
    soft = torch.full((32, 32), 51, dtype=torch.uint8)
    given = batch([square(8, 24), soft])
    logits = method.network(given["images"])[0]
    targets = torch.stack([square(8, 24) > 127, soft > 127])[:, None].float()
    coarse = torch.nn.functional.avg_pool2d(targets, 8).gt(0.5).float()
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, coarse, reduction="none"
    ).mean((1, 2, 3))
    # Pixel weights are relative to the rest of their image: constant ones change nothing.
    expected = (entropy[0] + 0.25 * entropy[1]) / 2
    torch.testing.assert_close(method.loss(given).loss, expected)


def test_standardised_features_have_mean_zero_and_deviation_one() -> None:
    pyramid = build_pyramid(FREE, standardise=True, stem=False)
    images = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    pyramid.train()
    pyramid(images)
    features = pyramid.eval()(images)[0].transpose(0, 1).flatten(1)
    varied = features.std(1) > 0.5
    torch.testing.assert_close(features.mean(1), torch.zeros(len(features)), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        features[varied].std(1, correction=0), torch.ones(int(varied.sum())), atol=1e-3, rtol=0
    )
    assert isinstance(pyramid.get_submodule("backbone"), StandardisedBackbone)


def test_no_mask_is_opened_without_labels(scenes: Path, tmp_path: Path) -> None:
    for mask in (scenes / "masks").iterdir():
        mask.write_bytes(b"poison")
    assert fit(scenes, tmp_path / "run") == 0
    store = tmp_path / "run" / "pseudo"
    rows = [json.loads(line) for line in (store / "manifest.jsonl").read_text().splitlines()]
    assert [row["name"] for row in rows] == sorted(p.stem for p in (scenes / "images").iterdir())
    assert all(row["source"].startswith("TokenCut-") for row in rows)
    assert (tmp_path / "run" / "last.ckpt").is_file()


def test_it_trains_from_a_store_and_predicts_instances(scenes: Path, tmp_path: Path) -> None:
    store, out = tmp_path / "store", tmp_path / "run"
    teacher = ["--config", str(CONFIGS / "tokencut.yaml"), *OPTIONS[:3]]
    label = ["predict", *teacher, f"--source={scenes / 'images'}", f"--pseudo={store}"]
    assert main(label) == 0
    before = (store / "manifest.jsonl").stat().st_mtime_ns
    assert main(label) == 0  # nothing is made again
    assert (store / "manifest.jsonl").stat().st_mtime_ns == before
    assert fit(scenes, out, f"--model.labels.store={store}") == 0
    assert not (out / "pseudo").exists()
    found = tmp_path / "found"
    wanted = [f"--source={scenes / 'images'}", f"--out={found}", "--output=instances,map"]
    assert main(["predict", f"--ckpt={out / 'last.ckpt'}", *wanted, "--data.num_workers=0"]) == 0
    name = next((scenes / "images").iterdir()).stem
    labels = np.asarray(Image.open(found / "instances" / f"{name}.png"))
    rows = json.loads((found / "instances" / f"{name}.json").read_text())
    assert labels.shape == (48, 48)
    assert labels.max() == len(rows)
    for row in rows:
        assert row["area"] == (labels == row["label"]).sum()
    assert (found / "map" / f"{name}.png").is_file()


def test_mistakes_are_named(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert fit(scenes, out, f"--model.labels.store={tmp_path / 'none'}") == 2
    assert "has no valid pseudo-mask" in capsys.readouterr().err
    assert fit(scenes, out, "--model.labels.kind=masks") == 2
    assert "data.supervised" in capsys.readouterr().err
    assert fit(scenes, out, "--model.labels.selection.keep=0") == 2
    assert "selection.keep" in capsys.readouterr().err
    assert fit(scenes, out, "--model.labels.teacher=none.yaml") == 2
    assert "no such file" in capsys.readouterr().err
    teacher = ["--config", str(CONFIGS / "centre_box.yaml"), "--data.num_workers=0"]
    source = [f"--source={scenes / 'images'}", f"--out={out}", "--output=instances"]
    assert main(["predict", *teacher, *source]) == 2
    assert "CentreBox does not predict instances" in capsys.readouterr().err


def test_connected_pixels_are_one_instance() -> None:
    method = ConnNet(FREE, NetworkConfig(decoder="linear"), inference=InferenceConfig("resize"))
    with torch.no_grad():
        method.network.head.predict.weight.zero_()
        method.network.head.predict.bias.fill_(4.0)
    found = method.eval().instances(torch.zeros(1, 3, 40, 64))[0]
    assert found.boxes.tolist() == [[0, 0, 64, 40]]
    sizes: list[torch.Size] = []
    scaled = ConnNet(
        FREE, NetworkConfig(decoder="linear"), inference=InferenceConfig("resize", scales=(2.0,))
    )
    scaled.network.register_forward_pre_hook(lambda _, inputs: sizes.append(inputs[0].shape[-2:]))
    assert scaled.eval().instances(torch.zeros(1, 3, 40, 64))[0].labels.shape == (40, 64)
    assert sizes == [(80, 128)]
    binary = ConnNet(FREE, NetworkConfig(decoder="linear"), HeadConfig("binary"))
    with pytest.raises(SodError, match="binary head"):
        binary.instances(torch.zeros(1, 3, 40, 64))


def test_batch_norms_of_a_cnn_keep_their_statistics_unless_told() -> None:
    assert ConnNet(CNN).network.pyramid.freeze_norm
    assert not ConnNet(CNN, freeze_norm=False).network.pyramid.freeze_norm
