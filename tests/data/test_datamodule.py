from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.callbacks import ModelCheckpoint

from sod.core.errors import SodError
from sod.data.datamodule import SaliencyData
from sod.data.dataset import Batch
from sod.data.features import FeaturesConfig
from sod.data.reading import read_image_tensor
from sod.data.views import Views

Step = tuple[int, int, tuple[str, ...], float]  # epoch, batch, names, mean of the images


class Recorder(pl.LightningModule):
    """Module that records the batches of training and testing."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.trained: list[Step] = []
        self.tested: list[tuple[int, str]] = []

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        names = tuple(sample.name for sample in batch["samples"])
        self.trained.append((self.current_epoch, index, names, float(batch["images"].mean())))
        return self.layer(batch["images"].mean((2, 3))).mean()

    def test_step(self, batch: Batch, index: int, dataloader_idx: int = 0) -> None:
        self.tested += [(dataloader_idx, sample.name) for sample in batch["samples"]]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


def trainer(*callbacks: pl.Callback, **options: int) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=bool(callbacks),
        callbacks=list(callbacks),
        **options,
    )


def data(root: Path, **options: object) -> SaliencyData:
    settings = {"train": "builtin-12-32", "size": 16, "batch_size": 3, "num_workers": 0}
    return SaliencyData(root=str(root), **{**settings, **options})


def test_training_batches_are_small_float_images(tmp_path: Path) -> None:
    batch = next(iter(data(tmp_path).train_dataloader()))
    assert batch["images"].shape == (3, 3, 16, 16)
    assert batch["images"].dtype == torch.float32
    assert 0 <= float(batch["images"].min()) < float(batch["images"].max()) <= 1
    assert batch["masks"] == [None, None, None]


def test_label_free_training_never_opens_a_mask(tmp_path: Path) -> None:
    label_free = data(tmp_path)
    label_free.prepare_data()
    for mask in tmp_path.glob("builtin-*/masks/*.png"):
        mask.write_bytes(b"poison")
    model = Recorder()
    trainer(max_epochs=1).fit(model, label_free)
    assert len(model.trained) == 4
    named = data(tmp_path, val="builtin-12-32")
    for loader in (*label_free.val_dataloader(), *named.val_dataloader()):
        assert [b["masks"] for b in loader] == [[None]] * 12
    with pytest.raises(SodError, match="not an image"):
        list(data(tmp_path, supervised=True).train_dataloader())
    with pytest.raises(SodError, match="not an image"):
        list(data(tmp_path, val="builtin-12-32", val_masks=True).val_dataloader()[0])


def test_supervised_training_brings_the_masks(tmp_path: Path) -> None:
    batch = next(iter(data(tmp_path, supervised=True).train_dataloader()))
    for mask in batch["masks"]:
        assert mask is not None
        assert mask.shape == (16, 16)
        assert set(mask.unique().tolist()) <= {0, 255}


def test_validation_without_a_split_takes_training_images_evenly(tmp_path: Path) -> None:
    (loader,) = data(tmp_path, val_images=4).val_dataloader()
    assert [b["samples"][0].name for b in loader] == ["0000", "0003", "0006", "0009"]
    for masks in (False, True):
        (named,) = data(tmp_path, val="builtin-2-16", val_masks=masks).val_dataloader()
        assert [b["masks"][0] is not None for b in named] == [masks, masks]
    assert data(tmp_path, val_images=0).val_dataloader() == []


def test_testing_gives_every_image_of_every_set_in_its_own_size(tmp_path: Path) -> None:
    both = data(tmp_path, test="builtin-2-32, builtin-3-16")
    assert both.test_names == ["builtin-2-32", "builtin-3-16"]
    sizes = [[tuple(b["images"].shape) for b in loader] for loader in both.test_dataloader()]
    assert sizes == [[(1, 3, 32, 32)] * 2, [(1, 3, 16, 16)] * 3]
    model = Recorder()
    trainer().test(model, both, verbose=False)
    assert model.tested == [(0, "0000"), (0, "0001"), (1, "0000"), (1, "0001"), (1, "0002")]


def test_training_on_several_sets_takes_all_their_images(tmp_path: Path) -> None:
    loader = data(tmp_path, train="builtin-4-16,builtin-2-16-1").train_dataloader()
    assert sum(len(batch["samples"]) for batch in loader) == 6


def test_mistakes_are_reported_before_anything_runs(tmp_path: Path) -> None:
    own = tmp_path / "own" / "images"
    own.mkdir(parents=True)
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(own / "a.png")
    with pytest.raises(SodError, match=r"a\.png: has no mask"):
        data(tmp_path, test="own").test_dataloader()
    with pytest.raises(SodError, match="unknown dataset 'nothing'"):
        data(tmp_path, test="nothing").prepare_data()
    with pytest.raises(SodError, match=r"data\.test: no dataset named"):
        data(tmp_path, test=" , ").test_dataloader()
    with pytest.raises(SodError, match=r"data\.batch_size"):
        data(tmp_path, batch_size=0)
    with pytest.raises(SodError, match=r"data\.batch_size_per"):
        data(tmp_path, batch_size_per="node")
    with pytest.raises(SodError, match=r"data\.train: no dataset named"):
        data(tmp_path, train=None).check_training()
    with pytest.raises(SodError, match=r"data\.val_masks: .*data\.val"):
        data(tmp_path, val_masks=True)
    with pytest.raises(SodError, match=r"a\.png: has no mask"):
        data(tmp_path, val="own", val_masks=True).check_training()
    for seed in (-1, 2**32):
        with pytest.raises(SodError, match=rf"data\.seed: {seed} is not a seed"):
            data(tmp_path, seed=seed)


def test_the_batch_of_a_step_is_shared_by_processes_and_accumulated_batches(
    tmp_path: Path,
) -> None:
    own = data(tmp_path, batch_size=12)
    assert own.process_batch_size(2, 3) == 12
    step = data(tmp_path, batch_size=12, batch_size_per="step")
    assert [step.process_batch_size(*n) for n in ((1, 1), (2, 1), (2, 3))] == [12, 6, 2]
    with pytest.raises(SodError, match=r"data\.batch_size: 12 .* 5 processes x 1 accumulated"):
        step.process_batch_size(5, 1)
    model = Recorder()
    halves = data(tmp_path, batch_size=6, batch_size_per="step")
    trainer(max_epochs=1, accumulate_grad_batches=2).fit(model, halves)
    assert [len(names) for _, _, names, _ in model.trained] == [3] * 4
    assert not set(model.trained[0][2]) & set(model.trained[1][2])


def test_a_large_seed_shuffles_and_augments(tmp_path: Path) -> None:
    for seed in (5_000_000, 2**32 - 1):
        assert len(list(data(tmp_path, seed=seed).train_dataloader())) == 4


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("steps", [1, 3, 4, 6, 8, 11])
def test_a_resumed_run_sees_what_the_whole_run_saw(tmp_path: Path, steps: int) -> None:
    saver = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=steps, save_top_k=-1)
    whole, resumed = Recorder(), Recorder()
    trainer(saver, max_epochs=3).fit(whole, data(tmp_path))
    path = tmp_path / f"step={steps}.ckpt"
    trainer(max_epochs=3).fit(resumed, data(tmp_path), ckpt_path=path, weights_only=True)
    assert len(whole.trained) == 12
    assert resumed.trained == whole.trained[steps:]
    assert torch.equal(resumed.layer.weight, whole.layer.weight)


def test_ecssd_through_the_data_module(shared: Path) -> None:
    ecssd = SaliencyData(root=str(shared / "data"), test="ECSSD", num_workers=0)
    batch = next(iter(ecssd.test_dataloader()[0]))
    image = Image.open(shared / "data/ECSSD/images/0001.jpg")
    assert tuple(batch["images"].shape) == (1, 3, image.height, image.width)
    assert batch["masks"][0] is not None
    assert tuple(batch["masks"][0].shape) == (image.height, image.width)
    expected = read_image_tensor(shared / "data/ECSSD/images/0001.jpg")
    assert torch.equal(batch["images"][0], expected)


def test_the_seed_of_the_run_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    assert SaliencyData().seed == 7
    assert SaliencyData(seed=3).seed == 3
    monkeypatch.delenv("PL_GLOBAL_SEED")
    assert SaliencyData().seed == 0


def test_a_variant_differs_in_its_arguments_only() -> None:
    data = SaliencyData(
        root="r",
        train="a",
        val="v",
        size=64,
        batch_size=3,
        seed=5,
        val_images=7,
        drop_defects=True,
        batch_size_per="step",
        val_masks=True,
        features=FeaturesConfig("memory", views=3),
    )
    data.train_on({Path("x"): Path("y")})
    same, other = data.variant("a"), data.variant("b", 32, 2, 9)
    assert (same.train, same.size, same.batch_size, same.seed) == ("a", 64, 3, 5)
    assert (other.train, other.size, other.batch_size, other.seed) == ("b", 32, 2, 9)
    assert (other.root, other.val, other.test, other.val_images) == ("r", "v", None, 7)
    assert other.drop_defects
    assert other.val_masks
    assert other.batch_size_per == "step"
    assert not other.supervised
    assert other.features == data.features
    assert other.views == data.views == Views(3, 5), "students share the views"
    assert other._labels is None
    assert same.kept_views is data.kept_views is not None, "and those in memory"
    assert other.kept_views is not data.kept_views, "of one size"
    assert SaliencyData(features=FeaturesConfig("memory")).kept_views is None
    assert SaliencyData(features=FeaturesConfig("disk", views=3)).kept_views is None
