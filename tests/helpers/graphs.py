"""Tiny ONNX graphs with the metadata of `sod export`, made without tracing anything."""

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from sod.engine.export.file import finish
from sod.engine.export.rules import Rules


def mean_graph(path: Path, rules: Rules | None) -> Path:
    """Write a graph whose saliency is the mean of the colours."""
    shape = [*rules.size] if rules is not None and rules.size else ["height", "width"]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, *shape])
    saliency = helper.make_tensor_value_info("saliency", TensorProto.FLOAT, ["batch", 1, *shape])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    node = helper.make_node("ReduceMean", ["images", "axes"], ["saliency"], keepdims=1)
    graph = helper.make_graph([node], "mean", [images], [saliency], [axes])
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    if rules is not None:
        finish(path, rules)
    return path
