"""The page: a photo and choices on the left, its pictures on the right."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sod.api.model import Model
from sod.core.errors import SodError
from sod.core.extras import optional
from sod.data.synthetic import make_scene
from sod.demo.views import Pixels, Wishes, views_of
from sod.refinement.kinds import REFINEMENTS

INTRODUCTION = (
    "# What stands out?\n\nUpload a photo, or take one. Nothing leaves this machine. Every choice "
    "is an option of `sod predict`."
)
SCENES = (11, 23, 5)
"""Numbers of the built-in scenes that are offered as examples."""


def gradio(folder: Path | None = None) -> Any:  # noqa: ANN401 - an optional package
    """Import gradio without its statistics and its look for updates.

    Args:
        folder: Where it keeps uploaded photos and results; by default the system's.

    Raises:
        SodError: It is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if folder is not None:
        os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return optional("gradio", "demo", "sod demo")


def build_page(models: Mapping[str, Callable[[], Model]], refine: str, folder: Path) -> Any:  # noqa: ANN401
    """Return the page as gradio's blocks.

    Args:
        models: Loads each model that can be chosen, by its name; the first one is chosen.
        refine: The refinement that is chosen at first.
        folder: Where photos and results lie as long as the page is open.
    """
    gr = gradio(folder)
    answer = Answerer(models, folder)
    with gr.Blocks(title="sod", analytics_enabled=False) as page:
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column(scale=1):
                inputs = _inputs(gr, list(models), refine)
            with gr.Column(scale=2):
                outputs = _outputs(gr)
        button = inputs.pop()
        button.click(answer, inputs, outputs, api_name="predict")
        page.load(answer, inputs, outputs, api_visibility="private")
        for choice in inputs[1:]:
            choice.change(answer, inputs, outputs, api_visibility="private")
    return page


class Answerer:
    """Answers the page: the pictures of a photo, by the model that is chosen.

    Args:
        models: As of :func:`build_page`.
        folder: As of :func:`build_page`.
    """

    def __init__(self, models: Mapping[str, Callable[[], Model]], folder: Path) -> None:
        self._models, self._folder = models, folder
        self._loaded: dict[str, Model] = {}

    def __call__(
        self,
        photo: Pixels | None,
        method: str,
        refine: str,
        threshold: float,
        sharpen: float,
        largest: bool,
    ) -> tuple[Any, ...]:
        """Return map, overlay, cut-out, objects, the file of the cut-out, and a line."""
        gr = gradio()
        if photo is None:
            raise gr.Error("There is no photo yet.")
        try:
            if method not in self._loaded:
                self._loaded[method] = self._models[method]()
            wishes = Wishes(refine, threshold, sharpen, "largest" if largest else "all")
            views = views_of(self._loaded[method], photo, wishes)
        except SodError as error:
            raise gr.Error(str(error)) from error
        file = self._folder / "cutout.png"
        views.cutout.save(file)
        return views.saliency, views.overlay, views.cutout, views.instances, str(file), views.note


def _inputs(gr: Any, names: list[str], refine: str) -> list[Any]:  # noqa: ANN401
    scenes = [[make_scene(number, (192, 256))[0]] for number in SCENES]
    sources = ["upload", "webcam", "clipboard"]
    photo = gr.Image(scenes[0][0], label="Photo", type="numpy", sources=sources)
    gr.Examples(scenes, [photo], label="Built-in scenes")
    return [
        photo,
        gr.Dropdown(names, value=names[0], label="Method"),
        gr.Dropdown(list(REFINEMENTS), value=refine, label="Refinement"),
        gr.Slider(0.05, 0.95, 0.5, step=0.05, label="Threshold"),
        gr.Slider(0, 1, 0.8, step=0.05, label="Sharpen"),
        gr.Checkbox(label="Only the largest object"),
        gr.Button("Find the object", variant="primary"),
    ]


def _outputs(gr: Any) -> list[Any]:  # noqa: ANN401
    pictures = []
    for titles in (("Map", "Overlay"), ("Cut-out", "Objects")):
        with gr.Row():
            pictures += [
                gr.Image(label=title, format="png", interactive=False, buttons=["download"])
                for title in titles
            ]
    pictures[2].image_mode = "RGBA"
    return [*pictures, gr.DownloadButton("Download the cut-out"), gr.Markdown()]
