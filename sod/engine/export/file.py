"""What is done to a traced ONNX file: half precision, metadata, no traces of the machine."""

import contextlib
import io
from pathlib import Path

from sod.core.errors import SodError
from sod.core.extras import optional
from sod.engine.export.rules import DESCRIPTION, KEY, Rules


def finish(path: Path, rules: Rules) -> None:
    """Add the size rules to a file, and reduce it to half precision if they say so.

    Inputs and outputs stay float32.

    Args:
        path: The file, which is written again.
        rules: The rules.

    Raises:
        SodError: It cannot be reduced.
    """
    onnx = optional("onnx", "export", "--onnx")
    model = onnx.load(str(path))
    if rules.half:
        model = _halved(model)
    for node in model.graph.node:
        del node.metadata_props[:]  # lines and paths of the traced code
        node.doc_string = ""
    model.doc_string = DESCRIPTION
    model.producer_name, model.producer_version = "sod", rules.version
    onnx.helper.set_model_props(model, {KEY: rules.text()})
    onnx.save(model, str(path))


def _halved(model: object) -> object:
    float16 = optional("onnxruntime.transformers.float16", "export", "--half")
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            return float16.convert_float_to_float16(model, keep_io_types=True)
        except Exception as error:  # whatever the converter meets
            raise SodError(f"--half: this graph cannot be reduced: {error}") from error
