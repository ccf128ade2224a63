"""The program of a command that is configured: method, data and trainer, assembled and run."""

import json
import logging
import sys
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from jsonargparse import Namespace
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.trainer.connectors.signal_connector import _SignalConnector

import sod.methods  # noqa: F401 - registers the methods that a config may name
from sod.cli.arguments import normalise, pairs
from sod.cli.catalogue import Command
from sod.cli.keys import plugins_of
from sod.cli.numbers import check_numbers
from sod.cli.parser import PLUGINS, SodParser, concise
from sod.cli.program import console
from sod.cli.runs import without_training
from sod.cli.tuned import expand_tuned
from sod.core.distributed import external_launch, is_rank_zero
from sod.core.errors import SodError
from sod.core.files import atomic_file
from sod.core.half_precision import emulation_notice
from sod.core.seed import check_seed
from sod.data.datamodule import SaliencyData
from sod.engine.build_errors import build_error
from sod.engine.checkpoint import AtomicCheckpointIO, method_of_checkpoint
from sod.engine.log import LogInterval
from sod.engine.method import Method
from sod.engine.peers import Watch, reported_to_peers
from sod.engine.plugins import load_plugins
from sod.engine.processes import join_processes
from sod.engine.progress import StepProgress
from sod.engine.registry import full_name, method_class
from sod.engine.restoring import CheckedConnector
from sod.engine.stated import check_arguments


class _NoSignals(_SignalConnector):
    """Leaves signals to :data:`sod.core.stopping.STOP`: Lightning's handlers end with code 0."""

    def register_signal_handlers(self) -> None:
        """Do nothing."""


class SodCLI(LightningCLI):
    """Method, data and trainer of one command, from YAML files and dotted overrides.

    Implements :class:`sod.cli.program.Program`.

    Args:
        command: The command.
        arguments: Normalised command line after the command's name.
    """

    def __init__(self, command: Command, arguments: list[str]) -> None:
        self.command = command
        launch = external_launch()
        super().__init__(
            Method,
            SaliencyData,
            run=False,
            subclass_mode_model=True,
            auto_configure_optimizers=False,
            save_config_callback=None,
            load_from_checkpoint_support=False,
            seed_everything_default=0,
            parser_class=SodParser,
            trainer_defaults={
                "logger": False,
                "enable_checkpointing": False,
                "devices": launch.per_node,  # one unless a launcher started several processes
                "num_nodes": launch.nodes,
            },
            args=arguments,
        )

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options of trainer, model and data; a checkpoint can replace the model's."""
        parser.add_lightning_class_args(pl.Trainer, "trainer")
        parser.set_defaults({f"trainer.{k}": v for k, v in self.trainer_defaults.items()})
        parser.add_lightning_class_args(Method, "model", subclass_mode=True, required=False)
        parser.add_lightning_class_args(SaliencyData, "data")

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the command's own options at the top level, and the plug-ins."""
        parser.add_argument("--plugins", type=str | list[str] | None, default=None, help=PLUGINS)
        parser.add_function_arguments(self.command.run, skip={"cli"})

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:  # noqa: ANN401
        """Print help if asked for, else check the keys and parse.

        Raises:
            SodError: A key is unknown, or a value is invalid.
        """
        assert isinstance(parser, SodParser)  # noqa: S101 - narrows the type
        self.config = parser.read(self.command.name, self.command.summary, args)
        for group in ("trainer", "data"):
            if not isinstance(self.config[group], Namespace):
                value = self.config[group]
                raise SodError(f"{group}: expected options below it, not {value!r:.60}.")
        check_numbers(self.config.as_dict())
        if type(self.config.seed_everything) is int:  # a bool is a switch
            check_seed(self.config.seed_everything, "seed_everything")

    def instantiate_classes(self) -> None:
        """Build data and method; the command builds the trainer, because it adds the callbacks.

        Raises:
            SodError: A value is invalid.
        """
        try:
            self.config_init = self.parser.instantiate(self.config)
        except Exception as error:  # a config or a checkpoint can state anything
            raise build_error(error, "the configuration") from error
        self.datamodule: SaliencyData = self.config_init["data"]
        self.model: Method | None = self.config_init.get("model")

    @property
    def method(self) -> Method:
        """The configured method.

        Raises:
            SodError: Neither a config nor a checkpoint nor --model names one.
        """
        if self.model is None:
            raise SodError("no method: give --config FILE, --ckpt FILE or --model NAME.")
        return self.model

    def save_config(self, path: Path, of: Path | None = None) -> None:
        """Write the configuration, or an earlier one, as :class:`sod.cli.program.Program` says.

        Raises:
            SodError: The earlier one cannot be read, or has options that there are no more.
        """
        config = self._completed(of) if of else self.config.clone()
        if "overwrite" in config:
            config["overwrite"] = False  # the file goes on with the run
        with atomic_file(path) as temporary:
            self.parser.save(config, str(temporary), overwrite=True, skip_unset=False)

    def _completed(self, file: Path) -> Namespace:
        """Return an earlier configuration with the defaults of the options that it lacks."""
        try:
            completed: Namespace = self.parser.parse_path(str(file))
        except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            raise SodError(f"{file}: {concise(str(error))}") from error
        return completed

    def build_trainer(
        self,
        callbacks: Sequence[pl.Callback],
        **kwargs: Any,  # noqa: ANN401 - Trainer's own arguments
    ) -> pl.Trainer:
        """Build the configured trainer.

        Args:
            callbacks: Callbacks to add to the configured ones.
            kwargs: Arguments of the Trainer that override the configured ones.

        Raises:
            SodError: Lightning rejects the arguments, or they do not suit the launcher.
        """
        arguments = {**self.config_init["trainer"], **kwargs}
        all_callbacks = [*_listed(arguments.pop("callbacks")), Watch(), *callbacks]
        if arguments["enable_progress_bar"] is None:
            arguments["enable_progress_bar"] = sys.stderr.isatty()
        if arguments["enable_progress_bar"]:
            all_callbacks.append(StepProgress())
        if arguments["log_every_n_steps"] is None:
            all_callbacks.append(LogInterval())
        arguments["plugins"] = [*_listed(arguments["plugins"]), AtomicCheckpointIO()]
        try:
            trainer = pl.Trainer(callbacks=all_callbacks, **arguments)
        except (MisconfigurationException, RuntimeError, TypeError, ValueError) as error:
            raise SodError(f"trainer: {' '.join(str(error).split())}") from error
        trainer._signal_connector = _NoSignals(trainer)
        trainer._checkpoint_connector = CheckedConnector(trainer)
        join_processes(trainer)
        _give_notice(emulation_notice(str(trainer.precision), trainer.strategy.root_device))
        return trainer


@cache
def _give_notice(line: str | None) -> None:
    """Print a line of advice, each one once in a run of the program."""
    if line is not None and is_rank_zero():
        console.print(f"[yellow]{line}[/]", soft_wrap=True, highlight=False)


def _listed(value: Any) -> list[Any]:  # noqa: ANN401 - Lightning takes one, several or none
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def assemble(command: Command, arguments: list[str]) -> SodCLI:
    """Build the program of one command.

    A checkpoint (``--ckpt``) supplies the method if no config or ``--model`` does.

    Args:
        command: The command.
        arguments: Command line after the command's name.

    Raises:
        SodError: The command line, a config or the checkpoint is invalid.
    """
    flags = {name for name, option in command.options.items() if option.annotation is bool}
    arguments = normalise(arguments, flags)
    load_plugins(plugins_of(arguments))
    arguments = without_training(command.name, expand_tuned(arguments))
    return SodCLI(command, [*_from_checkpoint(arguments), *arguments])


def _from_checkpoint(options: list[str]) -> list[str]:
    """Return ``--model`` with the checkpoint's method, or nothing if a method is named already."""
    given = dict(pairs(options))
    path = given.get("ckpt")
    if given.keys() & {"config", "c", "model", "model.class_path"}:
        return []
    if path is None:
        return []
    name, stated = method_of_checkpoint(path)
    cls = method_class(name, f"--ckpt {path}")
    arguments = check_arguments(cls, stated, f"--ckpt {path}")
    return ["--model", json.dumps({"class_path": full_name(cls), "init_args": arguments})]


def _quieten() -> None:
    """Silence notices of the trainer that no user of this program can act upon."""
    for name in ("pytorch_lightning", "lightning.pytorch", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", ".*LightningCLI's args parameter.*")
    warnings.filterwarnings("ignore", ".*Total length of `list` across ranks is zero.*")
    warnings.filterwarnings("ignore", ".*in eval mode at the start of training.*")
    warnings.filterwarnings("ignore", ".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty.*")


def run_configured(command: Command, arguments: list[str]) -> int:
    """Assemble the program of a command and run it.

    Args:
        command: The command.
        arguments: Command line after the command's name.

    Returns:
        The exit code.

    Raises:
        SodError: The command line, a config or the checkpoint is invalid, or the command fails.
    """
    _quieten()
    with reported_to_peers():
        cli = assemble(command, arguments)
        return command.run(cli, *(cli.config_init.get(name) for name in command.options))
