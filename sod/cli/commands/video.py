"""`sod video`: pseudo-masks of the frames of a video, to train image methods on."""

from collections.abc import Sequence

from sod.cli.parser import SodParser, read_options
from sod.cli.program import say
from sod.core.locks import output_folder
from sod.labels.video import find_frames, label_video
from sod.refinement.kinds import parse_refinements


def video(arguments: Sequence[str]) -> int:
    """Label the frames of a video by the error of reconstructing their background (VideoPCA).

    Args:
        arguments: Command line after ``video``.

    Raises:
        SodError: The command line is invalid, or a file cannot be read or written.
    """
    options = read_options(video, _add_options, arguments)
    refinement = parse_refinements(options["refine"])[0]
    files = find_frames(options["source"], options["frames"], options["every"])
    folder = output_folder(options["pseudo"], "--pseudo")
    store = label_video(files, folder, options["components"], refinement)
    say(f"{len(files)} frames in {files[0].parent}, their pseudo-masks in {store.folder}")
    return 0


def _add_options(parser: SodParser) -> None:
    parser.add_argument("--source", type=str, required=True, help="video file, or folder of frames")
    parser.add_argument("--pseudo", type=str, required=True, help="pseudo-label store to write")
    parser.add_argument(
        "--frames", type=str, default=None, help="folder for the frames of a video file"
    )
    parser.add_argument("--every", type=int, default=1, help="take every n-th frame only")
    parser.add_argument(
        "--components", type=int, default=8, help="principal components of the background"
    )
    parser.add_argument(
        "--refine", type=str, default="bilateral", help="none, bilateral or adaptive"
    )
