import torch
from torch import Tensor

from sod.nn.backbones.base import Backbone
from sod.nn.inference import InferenceConfig, image_logits
from sod.nn.propagation import propagate
from sod.refinement.masks import mask_iou
from sod.tuning.choices import best_inference
from sod.tuning.heads import Head
from sod.tuning.inference import INFERENCES, Inference, inference_scores


class Colours(Backbone):
    """The mean colour of patches of 8 pixels."""

    def __init__(self) -> None:
        super().__init__(8, 3, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

    def forward(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images, 8)


def test_each_way_of_inference_is_that_of_the_methods() -> None:
    image = torch.rand(3, 45, 60, generator=torch.Generator().manual_seed(0))
    image[0, 10:30, 20:44] += 1
    vote = image[0] > 1
    weights = torch.tensor([3.0, 0.5, -0.5])
    head = Head(torch.full((3,), 0.5), torch.full((3,), 2.0), weights, torch.tensor(-0.3))
    backbone = Colours()
    scores = inference_scores(backbone, head, image, vote, max_tokens=100)
    assert len(scores) == len(INFERENCES)
    for inference, score in zip(INFERENCES, scores, strict=True):

        def model(images: Tensor, share: float = inference.propagate) -> Tensor:
            features = backbone(images)
            logits = torch.einsum("c,bchw->bhw", weights, (features - 0.5) / 2)[:, None] - 0.3
            return propagate(logits, features, share)

        config = InferenceConfig("resize", inference.scales, max_tokens=100)
        logits = image_logits(model, image[None], config, 8, backbone.mean)[0, 0]
        torch.testing.assert_close(score, mask_iou(logits > 0, vote).float())
    assert len(set(scores.tolist())) > 2


def test_the_plain_inference_is_left_for_a_clear_gain_only() -> None:
    scores = dict.fromkeys(INFERENCES, 0.5)
    better = Inference((1.5,), 0.5)
    assert best_inference(scores | {better: 0.504}) == Inference((1.0,), 0.0)
    assert best_inference(scores | {better: 0.506}) == better
