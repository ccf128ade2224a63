import fcntl
import json
import multiprocessing
import os
import socket
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from sod.cli import main
from sod.core.at_end import AT_END
from sod.core.errors import SodError
from sod.core.locks import LOCK, locked_folder, output_folder, remove_stale_lock
from sod.data.synthetic import write_scenes


def hold(folder: Path, connection: Connection) -> None:
    """Hold the lock of a folder until the other end says so, or kills this process."""
    with locked_folder(folder):
        connection.send(os.getpid())
        connection.recv()


def test_a_second_writer_learns_at_once_who_the_first_is(tmp_path: Path) -> None:
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path, there))
    other.start()
    pid = here.recv()
    with pytest.raises(SodError) as caught, locked_folder(tmp_path):
        pass
    message = str(caught.value)
    assert message.startswith(f"--out {tmp_path}: is being written by process {pid} on ")
    assert socket.gethostname() in message
    assert " since 20" in message
    other.kill()
    other.join()
    assert json.loads((tmp_path / LOCK).read_text())["pid"] == pid  # stale: its owner was killed
    with locked_folder(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert list(tmp_path.iterdir()) == []


def test_every_command_that_writes_names_another_writer_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder := tmp_path / "out").mkdir()
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(target=hold, args=(folder, there))
    other.start()
    pid = here.recv()
    write_scenes(tmp_path / "own", count=2, size=32)
    out, source = ["--out", str(folder)], ["--source", str(tmp_path / "own" / "images")]
    centre = ["--model=CentreBox", "--data.root", str(tmp_path / "data"), "--data.num_workers=0"]
    test = ["--data.root", str(tmp_path / "data"), "--data.test", "builtin-2-32"]
    for words in (
        ["predict", *centre, *source, *out],
        ["predict", *centre, *source, "--pseudo", str(folder)],
        ["evaluate", *centre, "--data.test", "builtin-2-32", *out],
        ["discover", *centre, "--data.test", "builtin-2-32", *out],
        ["export", *centre, *out],
        ["benchmark", "--methods", "centre_box", *test, *out],
        ["tune", "--model.backbone.name=descriptor", *test[:2], "--data.train=builtin-2-32", *out],
    ):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert f"{folder}: is being written by process {pid} on " in error, words
    other.kill()
    other.join()
    assert main(["predict", *centre, *source, *out]) == 0  # the stale lock is taken over
    assert not (folder / LOCK).exists()


def test_a_training_that_labels_names_another_one_that_writes_its_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    write_scenes(tmp_path / "own", count=2, size=32)
    fit = ["fit", "--model=Student", f"--model.labels.store={store}", "--data.num_workers=0"]
    fit += ["--model.network", '{"kind": "unet", "width": 4, "size": 32}']
    fit += ["--model.labels.teacher=centre_box", f"--data.train={tmp_path / 'own' / 'images'}"]
    fit += ["--data.size=32", "--data.batch_size=2", "--trainer.max_steps=1"]
    assert main([*fit, "--out", str(tmp_path / "first")]) == 0
    assert not (store / LOCK).exists()
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(target=hold, args=(store, there))
    other.start()
    pid = here.recv()
    assert main([*fit, "--out", str(tmp_path / "second")]) == 0  # it lacks nothing
    remove_stale_lock(store)
    assert (store / LOCK).exists()
    (store / "0000.png").unlink()
    assert main([*fit, "--out", str(tmp_path / "third")]) == 2
    busy = f"error: labels.store {store}: is being written by process {pid} on "
    assert busy in capsys.readouterr().err
    other.kill()
    other.join()
    remove_stale_lock(store)
    assert not (store / LOCK).exists()


def test_a_folder_is_locked_until_the_command_ends(tmp_path: Path) -> None:
    folder = output_folder(str(tmp_path / "a"))
    assert output_folder(str(tmp_path / "." / "a")) == folder  # no second lock, and no error
    assert (folder / LOCK).is_file()
    AT_END.close()
    assert list(folder.iterdir()) == []


def test_workers_do_not_inherit_the_lock(tmp_path: Path) -> None:
    here, there = multiprocessing.Pipe()
    with locked_folder(tmp_path):
        worker = multiprocessing.get_context("fork").Process(target=there.recv)
        worker.start()
    with (tmp_path / LOCK).open("w") as file:  # a record lock of the worker would refuse this one
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    here.send(None)
    worker.join()


def test_a_file_system_without_locks_is_used_unlocked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "lockf", refuse)
    with locked_folder(tmp_path), locked_folder(tmp_path):
        pass
