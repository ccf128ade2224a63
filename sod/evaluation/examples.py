"""Images that show where methods fail: the worst of a method, and where two differ most."""

from collections.abc import Mapping, Sequence

from sod.evaluation.gallery import Case, thumbnail
from sod.evaluation.lines import LOWER_IS_BETTER
from sod.evaluation.pictures import Pictures

Scores = Mapping[str, Mapping[str, float]]
"""A measure of each image, by label and by image name."""


def worst_names(scores: Scores, label: str, count: int, measure: str) -> list[str]:
    """Return the images on which a method is worst, worst first."""
    sign = -1 if measure in LOWER_IS_BETTER else 1
    ranked = sorted(scores[label], key=lambda name: (sign * scores[label][name], name))
    return ranked[:count]


def disagreement_names(scores: Scores, count: int) -> list[str]:
    """Return the images on which two of the methods differ most, largest difference first."""
    if len(scores) < 2:
        return []
    shared = set.intersection(*(set(values) for values in scores.values()))

    def spread(name: str) -> float:
        values = [part[name] for part in scores.values()]
        return max(values) - min(values)

    return sorted(shared, key=lambda name: (-spread(name), name))[:count]


def cases(
    pictures: Pictures, dataset: str, names: Sequence[str], scores: Scores, height: int = 240
) -> list[Case]:
    """Return thumbnails of images with the maps of all methods that are known.

    Args:
        pictures: Photos, masks and maps.
        dataset: Name of the data set.
        names: Names of the images.
        scores: The measure that is shown below the maps.
        height: Height of a thumbnail in pixels.

    Raises:
        ImageError: A file cannot be read.
    """
    result = []
    for name in names:
        photo, mask = pictures.photo(dataset, name), pictures.mask(dataset, name)
        case = Case(name, thumbnail(photo, height), thumbnail(mask[None] / 255, height))
        for label, values in scores.items():
            saliency = pictures.map(dataset, label, name)
            if saliency is not None and name in values:
                case.maps[label] = thumbnail(saliency[None], height)
                case.scores[label] = values[name]
        result.append(case)
    return result
