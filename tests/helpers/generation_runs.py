"""What the tests of generations through the command line share."""

import json
from pathlib import Path

NETWORK = {"width": 4, "relation": False, "layers": 1, "dropout": 0.3, "merge": True, "finest": 8}
STUDENTS = [
    {"name": "patches", "arguments": {"network": NETWORK, "head": {"kind": "binary"}}},
    {
        "name": "unet",
        "method": "Student",
        "arguments": {"network": {"kind": "unet", "width": 4, "size": 32}},
    },
]


def arguments(scenes: Path, out: Path | None, *more: str) -> list[str]:
    """Return the command line of a short training of generations; ``out`` None: its own folder."""
    return [
        *("fit", "--model=Generations", "--data.train", str(scenes)),
        *([] if out is None else ["--out", str(out)]),
        *("--model.backbone.name=descriptor", "--model.backbone.weights=null"),
        *("--model.quality_network", json.dumps({"width": 4, "size": 8, "steps": 3})),
        *("--model.students", json.dumps(STUDENTS), "--save_every=1"),
        *("--data.size=32", "--data.batch_size=4", "--data.num_workers=0", "--data.val_images=0"),
        *("--trainer.accelerator=cpu", "--trainer.max_steps=6", "--trainer.max_epochs=-1"),
        *("--trainer.enable_model_summary=false", "--seed_everything=0"),
        *more,
    ]
