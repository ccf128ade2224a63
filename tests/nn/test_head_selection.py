import pytest
import torch
from sklearn.cluster import KMeans

from sod.nn.head_selection import cluster, joined, object_heads, self_similarity


def test_similarities_are_softmaxes_of_cosines() -> None:
    head = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).expand(3, 2, 2)
    near = torch.tensor(2.0).exp()
    expected = torch.tensor([[near, 1.0], [1.0, near]]) / (near + 1)
    torch.testing.assert_close(self_similarity(head, 2.0), expected)


def test_clusters_are_those_of_k_means() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = 10 * torch.randn(4, 6, generator=generator)
    points = (centres[:, None] + torch.randn(4, 5, 6, generator=generator)).flatten(0, 1)
    labels = cluster(points @ points.T, 4)
    expected = KMeans(4, n_init=10, random_state=0).fit(points.numpy()).labels_
    together = labels[:, None] == labels
    assert together.numpy().tolist() == (expected[:, None] == expected).tolist()


def test_the_cluster_of_the_last_block_is_kept() -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = [3 * torch.randn(3, 8, 4, generator=generator) for _ in range(2)]
    order = [0, 1, 0, 1, 1, 0]
    noise = 0.05 * torch.randn(6, 3, 8, 4, generator=generator)
    heads = torch.stack([kinds[kind] for kind in order]) + noise
    kept = object_heads(heads, torch.tensor([0, 0, 0, 1, 1, 1]), clusters=2)
    assert kept.tolist() == [kind == 1 for kind in order]


def test_joined_features_have_the_mean_cosine() -> None:
    heads = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
    features = torch.nn.functional.normalize(joined(heads), dim=1)
    cosines = torch.stack([torch.nn.functional.cosine_similarity(h[:, :, None], h[:, None], dim=-1)
                           for h in heads])  # fmt: skip
    torch.testing.assert_close(features @ features.T, cosines.mean((0, 1)))
    assert float((features @ features.T)[0, 0]) == pytest.approx(1)
