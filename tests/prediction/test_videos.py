"""Videos in, and videos with and without alpha out, decoded again."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from sod.cli import main
from sod.core.errors import ImageError
from sod.prediction import cameras
from sod.prediction.video_files import VideoInfo, VideoWriter, frames_of, probe

av = pytest.importorskip("av", reason="pip install 'sod[video]'")
Errors = Callable[[], str]
RATE, COUNT, SIZE = Fraction(10), 6, (48, 64)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grey video in which a bright square moves to the right."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with VideoWriter(path, ".mp4", VideoInfo(RATE, COUNT)) as writer:
        for number in range(COUNT):
            frame = np.full((*SIZE, 3), 40, np.uint8)
            frame[16:32, 8 * number : 8 * number + 16] = (250, 60, 40)
            writer.write(frame)
    return path


def alpha_of(path: Path, codec: str | None = None) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        if codec is None:
            return [frame.to_ndarray(format="rgba")[..., 3] for frame in container.decode(video=0)]
        decoder = av.CodecContext.create(codec, "r")  # the native VP9 decoder drops the alpha
        packets = [*container.demux(stream)]
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    return [frame.to_ndarray(format="rgba")[..., 3] for frame in frames]


def test_a_video_is_read_back(clip: Path) -> None:
    assert probe(clip) == VideoInfo(RATE, COUNT)
    frames = list(frames_of(clip))
    assert len(frames) == COUNT
    assert frames[0].shape == (*SIZE, 3)
    assert np.abs(frames[2][24, 24].astype(int) - (250, 60, 40)).max() < 25


def test_cutouts_play_with_alpha_and_overlays_without(clip: Path, tmp_path: Path) -> None:
    words = ["predict", "--config", "demo", "--source", str(clip), "--out", str(tmp_path)]
    assert main([*words, "--output", "map,mask,overlay,cutout"]) == 0
    for file in ("overlay/clip.mp4", "cutout/clip.mov", "cutout/clip.webm", "map/clip.mp4"):
        assert probe(tmp_path / file) == VideoInfo(RATE, COUNT), file
    masks = [frame[..., 0] > 127 for frame in frames_of(tmp_path / "mask" / "clip.mp4")]
    assert all(0.03 < mask.mean() < 0.5 for mask in masks)
    with av.open(str(tmp_path / "cutout" / "clip.mov")) as container:
        assert container.streams.video[0].codec_context.name == "prores"
        assert "a" in container.streams.video[0].codec_context.pix_fmt
    for alphas in (
        alpha_of(tmp_path / "cutout" / "clip.mov"),
        alpha_of(tmp_path / "cutout" / "clip.webm", "libvpx-vp9"),
    ):
        assert len(alphas) == COUNT
        for alpha, mask in zip(alphas, masks, strict=True):
            assert np.mean((alpha > 127) == mask) > 0.97


def test_smoothing_keeps_a_part_of_earlier_frames(clip: Path, tmp_path: Path) -> None:
    words = ["predict", "--config", "demo", "--source", str(clip), "--output", "map"]
    assert main([*words, "--out", str(tmp_path / "raw")]) == 0
    assert main([*words, "--smooth", "0.5", "--out", str(tmp_path / "soft")]) == 0
    raw, soft = (
        [frame[..., 0].astype(float) for frame in frames_of(tmp_path / kind / "map" / "clip.mp4")]
        for kind in ("raw", "soft")
    )
    expected = raw[0]
    for number in range(1, COUNT):
        expected = 0.5 * expected + 0.5 * raw[number]
        assert np.abs(soft[number] - expected).mean() < 6


def test_what_is_no_video_is_named_and_the_rest_goes_on(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], errors: Errors
) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    words = ["predict", "--config", "demo", "--output", "mask", "--out", str(tmp_path / "out")]
    assert main([*words, "--source", str(tmp_path / "bad.mp4"), str(clip)]) == 1
    assert "bad.mp4: cannot be decoded as a video" in capsys.readouterr().out
    assert len(list((tmp_path / "out").rglob("clip.mp4"))) == 1
    assert not list((tmp_path / "out").rglob("bad*"))
    assert main([*words[:3], "--source", str(clip), "--output", "boxes"]) == 2
    assert "--output boxes: videos have" in errors()
    assert main([*words, "--source", str(clip), "--smooth", "1"]) == 2
    assert "--smooth 1.0: is not in" in errors()


def test_an_error_leaves_no_half_video(tmp_path: Path) -> None:
    path = tmp_path / "x.mov"

    def interrupted() -> None:
        with VideoWriter(path, ".mov", VideoInfo(RATE, 2)) as writer:
            writer.write(np.zeros((16, 16, 4), np.uint8))
            raise ImageError("the source ends")

    with pytest.raises(ImageError):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_prediction_leaves_out_finished_videos(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", "--model=CentreBox", "--source", str(clip), "--out", str(tmp_path)]
    words += ["--output", "overlay,cutout", "--frames", "2"]
    assert main(words) == 0
    assert probe(tmp_path / "overlay" / "clip.mp4").frames == 2
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("clip.*")}
    (tmp_path / "cutout" / "clip.webm").unlink()
    assert main([*words, "--resume"]) == 0
    assert "done already" not in capsys.readouterr().out
    assert main([*words, "--resume"]) == 0
    assert "1 of 1 videos are done already" in capsys.readouterr().out
    assert len({path: path.stat().st_mtime_ns for path in tmp_path.rglob("clip.*")}) == len(before)


def test_a_camera_is_a_video_without_an_end(
    clip: Path, tmp_path: Path, errors: Errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cameras, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(cameras, "DRIVER", None)
    out = tmp_path / "out"
    words = ["predict", "--model=CentreBox", "--output", "overlay", "--out", str(out)]
    assert main([*words, "--source", "camera", "--frames", "3"]) == 2
    assert "there is no camera" in errors()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "video1").symlink_to(clip)
    assert main([*words, "--source", "camera", "--frames", "3"]) == 2
    assert "those there are: 1" in errors()
    assert main([*words, "--source", "1"]) == 2
    assert "give --frames N" in errors()
    assert main([*words, "--source", "1", "--frames", "3"]) == 0
    assert probe(out / "overlay" / "video1.mp4").frames == 3
