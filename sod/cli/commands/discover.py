"""`sod discover`: single-object discovery, measured by CorLoc."""

import json
from pathlib import Path

from sod.cli.program import Program, say, say_failed
from sod.core.files import write_text
from sod.core.locks import output_folder
from sod.engine.checkpoint import load_checkpoint
from sod.evaluation.discovery import Discovery, annotated_samples, boxes_of_masks, read_annotations
from sod.evaluation.reports import write_per_image
from sod.prediction.sources import SourceData
from sod.refinement.kinds import parse_refinements


def discover(
    cli: Program,
    boxes: str = "masks",
    images: str | None = None,
    split: str = "trainval",
    listing: str | None = None,
    out: str = "out",
    ckpt: str | None = None,
    refine: str = "none",
) -> int:
    """Predict one object's box per image and measure CorLoc against annotated boxes.

    Args:
        cli: The assembled program.
        boxes: A VOC folder (VOC2007), a COCO .json, a .csv (image,x0,y0,x1,y1), or "masks": the
            boxes of the masks of data.test.
        images: Folder of the images; by default JPEGImages of the VOC folder.
        split: Image set of a VOC folder.
        listing: File with the image names to keep of a COCO file (COCO20k's list).
        out: Folder for corloc.json and boxes.csv.
        ckpt: Checkpoint of a trained method.
        refine: Refinement of the saliency: none, bilateral or adaptive.
    """
    refinement = parse_refinements(refine)[0]
    if boxes == "masks":
        samples = [sample for _, group in cli.datamodule.test_samples() for sample in group]
        annotations = boxes_of_masks(samples)
        samples = [sample for sample in samples if sample.name in annotations]
    else:
        annotations = read_annotations(boxes, split, listing)
        samples = annotated_samples(Path(images or Path(boxes) / "JPEGImages"), annotations)
    load_checkpoint(cli.method, ckpt)
    folder = output_folder(out)
    discovery = Discovery(annotations, refinement)
    trainer = cli.build_trainer([discovery])
    own = cli.datamodule
    data = SourceData(samples, own.num_workers, together=own.eval_batch_size)
    trainer.predict(cli.method, datamodule=data, return_predictions=False)
    if trainer.is_global_zero:
        _write(discovery, type(cli.method).__name__, folder)
    return 1 if discovery.failures else 0


def _write(discovery: Discovery, method: str, folder: Path) -> None:
    count = len(discovery.rows)
    row = {
        "method": method,
        "images": count,
        "refine": discovery.refinement,
        "corloc": discovery.corloc,
        "seconds_per_image": sum(row["seconds"] for row in discovery.rows) / max(count, 1),
    }
    write_text(folder / "corloc.json", json.dumps(row, indent=2) + "\n")
    write_per_image(discovery.rows, folder / "boxes.csv")
    say(f"CorLoc {discovery.corloc:.3f} on {count} images ({method}, {row['refine']})")
    say_failed(discovery.failures)
    say(f"Written to {folder}: corloc.json, boxes.csv")
