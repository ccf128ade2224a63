"""Lists of very many images."""

import os
import pickle
import re
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import pytest
import torch.multiprocessing  # noqa: F401 - lets the pickler below share tensors

from sod.data.naming import repeated, suffix_of, without_suffix
from sod.data.sample_list import SampleList, joined, sample_list
from sod.data.samples import Sample, natural_key, natural_order
from sod.data.strings import Strings

NAMES = ["a", "café/b", os.fsdecode(b"\xff"), ""]


def listed() -> SampleList:
    return SampleList(NAMES, [f"/photos/{name}.png" for name in NAMES])


def test_strings_come_back_as_they_were() -> None:
    strings = Strings(iter(NAMES))
    assert [strings[index] for index in range(len(strings))] == NAMES


def test_a_list_is_a_sequence_of_samples() -> None:
    samples = listed()
    expected = [Sample(name, Path(f"/photos/{name}.png")) for name in NAMES]
    assert samples == expected
    assert list(samples) == expected
    assert samples[-1] == expected[-1]
    assert samples[1::2] == expected[1::2]
    assert samples[1:][1:] == expected[2:]
    assert samples != expected[1:]
    assert pickle.loads(pickle.dumps(samples[1:])) == expected[1:]
    assert sample_list(expected) == samples
    with pytest.raises(IndexError):
        samples[4]


def test_some_are_chosen_by_name_and_file() -> None:
    samples = listed()
    assert [s.name for s in samples.where(lambda name, _: "b" in name)] == ["café/b"]
    assert samples.where(lambda _, file: file.endswith("png")) is samples
    assert [s.name for s in samples[1:].where(lambda name, _: not name)] == [""]
    with pytest.raises(ValueError, match="2 names, but 1 files"):
        SampleList(["a", "b"], ["c"])


def test_a_list_takes_some_bytes_an_image() -> None:
    names = [f"{number:07}" for number in range(1000)]
    strings = Strings(names)
    assert strings._content.nbytes + strings._ends.nbytes < 20_000


def test_repeated_texts_are_found() -> None:
    assert repeated(["a", "b", "a", "c", "b", "a"]) == [0, 1, 2, 4, 5]
    assert repeated(["a", "b"]) == repeated([]) == []


def test_suffixes_are_those_of_paths() -> None:
    for text in ("a.png", "a.b/c", "a/.png", "a.PNG", "a.", "a/b.c.jpg", "..png", "a.b/c.d"):
        path = Path(text)
        assert suffix_of(text) == path.suffix.lower()
        assert without_suffix(text) == path.with_suffix("").as_posix()


def test_the_natural_order_is_that_of_numbers_and_texts() -> None:
    numbers = ["a2", "a10", "a10b1", "a10b", "b", "a", "10", "9", "a02", "a2.png", "x1y20"]
    numbers += ["x1y3", "x01y3", "a0", "a00", "é1", "a1é", "a!1"]

    def plain(text: str) -> tuple[tuple[int, int, str], ...]:
        parts = enumerate(re.split(r"([0-9]+)", text))
        return (*((1, int(p), "") if n % 2 else (0, 0, p) for n, p in parts), (0, 0, text))

    assert sorted(numbers, key=natural_key) == sorted(numbers, key=plain)
    assert natural_order(numbers) == sorted(numbers, key=plain)
    same = ["p12.png", "p03.png", "p11.png"]
    assert natural_order(same) == ["p03.png", "p11.png", "p12.png"]
    assert natural_order([]) == []


def test_blocks_of_strings_come_back_in_order() -> None:
    texts = [f"é{number}" for number in range(9000)]
    strings = Strings(texts)
    assert list(strings) == texts
    assert (strings[4096], strings[-1], strings[4095:4098]) == ("é4096", "é8999", texts[4095:4098])
    assert strings == texts
    assert strings == Strings(texts)
    assert strings != texts[1:]
    assert Strings(["a", "bc"]) != Strings(["ab", "c"])
    with pytest.raises(ValueError, match="character 0"):
        Strings(["a\0b"])


def test_masks_of_a_list() -> None:
    masks = [Path("/m/0.png"), None, Path("/m/2.png")]
    samples = [Sample(str(at), Path(f"/i/{at}.png"), mask) for at, mask in enumerate(masks)]
    samples.append(Sample("3", Path("/i/3.png"), Path("/m/3/a.png"), True, (Path("/m/3/b.png"),)))
    listed = sample_list(samples)
    assert listed == samples
    assert listed.without_mask() == [samples[1]]
    assert listed[1:].where(lambda name, _: name != "2") == [samples[1], samples[3]]
    assert joined([listed[2:], samples[:2], listed]) == [*samples[2:], *samples[:2], *samples]
    assert listed.replaced({1: samples[0]})[1] == samples[0]
    with pytest.raises(ValueError, match="2 names, but 1 masks"):
        SampleList("ab", "ab", "a")


def test_worker_processes_that_are_started_anew_share_the_strings() -> None:
    samples = SampleList(map(str, range(10_000)), map(str, range(10_000)))
    pickled = ForkingPickler.dumps(samples)
    assert len(pickled) < 4000
    assert ForkingPickler.loads(pickled) == samples
    assert samples == [Sample(str(number), Path(str(number))) for number in range(10_000)]
