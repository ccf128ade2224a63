"""The state of a training in a checkpoint, checked before anything is restored from it.

Weights are checked when a method is built. Here are the rest: steps, loops, callbacks, optimisers
and schedules. They are compared with those of the trainer that is to go on.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.connectors.checkpoint_connector import _CheckpointConnector
from torch import Tensor
from torch.optim import Adam, Optimizer

from sod.core.errors import SodError
from sod.core.names import one_line
from sod.core.structure import faults, tensor_faults

REMEDY = "it cannot be resumed: start from its weights, with another --out"
POSITION = {"epoch": 0, "batches": 0}


def steps_of(content: Mapping[str, Any], where: str) -> int:
    """Return the optimiser steps that a checkpoint counts.

    Raises:
        SodError: It states no number.
    """
    steps = content.get("global_step")
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        raise SodError(f"{where}: is damaged: global_step: is not a number of steps; {REMEDY}.")
    return steps


class CheckedConnector(_CheckpointConnector):
    """Lightning's reader of checkpoints, which refuses broken states by name."""

    def resume_start(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Lightning's
        """Read the file."""
        self._restored(
            "version", lambda: super(CheckedConnector, self).resume_start(*args, **kwargs)
        )

    def restore_model(self) -> None:
        """Restore the weights."""
        self._restored("state_dict", super().restore_model)

    def restore_callbacks(self) -> None:
        """Check steps, loops and states of callbacks, and restore the latter.

        Raises:
            SodError: One is broken.
        """
        content = self._loaded_checkpoint
        if content:
            self._refuse(_loop_faults(content, self.trainer))
            self._refuse(_callback_faults(content, self.trainer))
            self._restored("callbacks", super().restore_callbacks)

    def restore_loops(self) -> None:
        """Restore the position, as it has been checked."""
        self._restored("loops", super().restore_loops)

    def restore_optimizers_and_schedulers(self) -> None:
        """Check and restore optimisers and schedules.

        Raises:
            SodError: One is broken.
        """
        if self._loaded_checkpoint:
            self._refuse(_optimiser_faults(self._loaded_checkpoint, self.trainer))
        self._restored("optimizer_states", super().restore_optimizers_and_schedulers)

    def _restored(self, part: str, restore: Any) -> None:  # noqa: ANN401 - a bound method
        try:
            restore()
        except SodError as error:
            raise SodError(f"{self._ckpt_path}: {error}") from error
        except Exception as error:  # what nobody foresaw in a damaged state
            raise self._damaged(f"{part}: {type(error).__name__}: {error}") from error

    def _refuse(self, found: Iterator[str]) -> None:
        fault = next(found, None)
        if fault is not None:
            raise self._damaged(fault)

    def _damaged(self, fault: str) -> SodError:
        return SodError(f"{self._ckpt_path}: is damaged: {one_line(fault)[:200]}; {REMEDY}.")


def _loop_faults(content: Mapping[str, Any], trainer: pl.Trainer) -> Iterator[str]:
    yield from faults(content.get("epoch"), 0, "epoch")
    loops, place = content.get("loops"), "loops.fit_loop"
    if not isinstance(loops, Mapping) or not isinstance(loops.get("fit_loop"), Mapping):
        yield f"{place}: is missing"
        return
    state = loops["fit_loop"]
    yield from faults(state, trainer.fit_loop.state_dict(), place)
    yield from (f"{place}.{key}: is negative" for key in _negative(state))
    loaders = state["state_dict"].get("combined_loader", [])
    for number, position in enumerate(loaders if isinstance(loaders, list) else [loaders]):
        yield from faults(position, POSITION, f"{place}.state_dict.combined_loader.{number}")
    progress = "epoch_loop.automatic_optimization.optim_progress"
    done = state[progress]["optimizer"]["step"]["total"]["completed"]
    if done != content["global_step"]:
        yield f"global_step: is {content['global_step']}, but its loops count {done} steps"


def _negative(state: Any, place: str = "") -> Iterator[str]:  # noqa: ANN401 - nested counts
    if isinstance(state, Mapping):
        for key, value in state.items():
            yield from _negative(value, f"{place}.{key}".lstrip("."))
    elif isinstance(state, int) and state < 0:
        yield place


def _callback_faults(content: Mapping[str, Any], trainer: pl.Trainer) -> Iterator[str]:
    states = content.get("callbacks", {})
    if not isinstance(states, Mapping):
        yield "callbacks: is not a mapping"
        return
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        state = states.get(callback.state_key, states.get(type(callback).__name__))
        if state is not None:
            yield from faults(state, callback.state_dict(), f"callbacks.{callback.state_key}")


def _optimiser_faults(content: Mapping[str, Any], trainer: pl.Trainer) -> Iterator[str]:
    optimisers, schedules = trainer.optimizers, trainer.lr_scheduler_configs
    for key, count in (("optimizer_states", len(optimisers)), ("lr_schedulers", len(schedules))):
        if not isinstance(content.get(key), list) or len(content[key]) != count:
            yield f"{key}: is not a list of {count}"
            return
    for number, (optimiser, state) in enumerate(
        zip(optimisers, content["optimizer_states"], strict=True)
    ):
        yield from _one_optimiser(optimiser, state, f"optimizer_states.{number}")
    for number, (config, state) in enumerate(zip(schedules, content["lr_schedulers"], strict=True)):
        fresh = _shared(config.scheduler.state_dict(), state, {"last_epoch"})
        yield from faults(state, fresh, f"lr_schedulers.{number}")


def _shared(fresh: Mapping[str, Any], state: Any, needed: set[str]) -> dict[str, Any]:  # noqa: ANN401
    """Return the entries that a state has too, or needs: other versions of PyTorch add some."""
    known = needed | (state.keys() if isinstance(state, Mapping) else set())
    return {key: value for key, value in fresh.items() if key in known}


def _one_optimiser(optimiser: Optimizer, state: Any, place: str) -> Iterator[str]:  # noqa: ANN401
    fresh, groups = optimiser.state_dict()["param_groups"], []
    if isinstance(state, Mapping) and isinstance(state.get("param_groups"), list):
        groups = state["param_groups"]
    if len(groups) == len(fresh):
        pairs = zip(fresh, groups, strict=True)
        fresh = [_shared(right, group, {"params", "lr"}) for right, group in pairs]
    yield from faults(state, {"state": {}, "param_groups": fresh}, place)
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    known = {number for group in fresh for number in group["params"]}
    adam = isinstance(optimiser, Adam)
    for number, moments in state["state"].items():
        here = f"{place}.state.{one_line(str(number))}"
        if number not in known or not isinstance(moments, Mapping):
            yield f"{here}: is not the state of a parameter"
        elif adam and not moments.keys() >= {"step", "exp_avg", "exp_avg_sq"}:
            yield f"{here}: lacks step, exp_avg or exp_avg_sq"
        else:
            for name, value in moments.items():
                if adam or isinstance(value, Tensor):
                    shape = () if name == "step" else tuple(parameters[number].shape)
                    yield from tensor_faults(value, shape, f"{here}.{one_line(str(name))}")
