import math

import torch
import torch.nn.functional as F

from sod.nn.confidence import ConfidenceNetwork, map_statistics
from sod.nn.consensus import (
    Segments,
    centre_prior,
    consensus,
    drop_strangers,
    group_threshold,
    group_tokens,
    segment,
)
from sod.nn.losses.cosaliency import agreement_loss, contrast_loss, pair_loss, shared_maps

OBJECT, OTHER, GROUND = F.normalize(torch.eye(3), dim=1)


def test_tokens_are_normalised_per_feature_and_centred_per_group() -> None:
    features = [torch.rand(5, 2, 3) + 1, torch.rand(5, 4, 1) + 1]
    tokens = group_tokens(features, [2, 3])
    plain = [f.flatten(1).mT for f in features]
    unit = [
        torch.cat([F.normalize(p[:, :2], dim=1), F.normalize(p[:, 2:], dim=1)], 1) for p in plain
    ]
    mean = torch.cat(unit).mean(0)
    for found, each in zip(tokens, unit, strict=True):
        torch.testing.assert_close(found, F.normalize(each - mean, dim=1))


def test_segments_are_the_clusters_with_their_mean_prior() -> None:
    tokens = torch.stack([OBJECT, OBJECT, GROUND, GROUND, GROUND])
    found = segment(tokens, torch.tensor([1.0, 0.5, 0.2, 0.1, 0.0]), 2)
    order = (found.centres @ OBJECT).argsort(descending=True)
    torch.testing.assert_close(found.centres[order], torch.stack([OBJECT, GROUND]))
    torch.testing.assert_close(found.salient[order], torch.tensor([0.75, 0.1]))


def test_what_recurs_and_is_salient_elsewhere_scores_highest() -> None:
    tokens = torch.stack([OBJECT, OTHER, GROUND])
    others = Segments(torch.stack([OBJECT, GROUND]), torch.tensor([0.8, 0.2]))
    own = Segments(tokens, torch.tensor([0.4, 0.8, 0.2]))
    scores = consensus([tokens, tokens[[0, 2]], tokens[[0, 2]]], [own, others, others], 0.5, 2.0)
    # object: 1 − 0.5 · (0.2 / 0.8)²; other: nothing alike; ground: (0.2 / 0.8)² − 0.5 · 1
    torch.testing.assert_close(scores[0], torch.tensor([1 - 0.5 / 16, 0.0, 1 / 16 - 0.5]))
    alone = consensus([tokens], [own], 0.0, 1.0)[0]
    torch.testing.assert_close(alone, torch.tensor([0.5, 1.0, 0.25]))


def test_the_threshold_of_a_group_separates_two_modes() -> None:
    low, high = torch.rand(60) * 0.2, 0.8 + torch.rand(40) * 0.2
    mixed = torch.cat([low, high])[torch.randperm(100)]
    threshold = group_threshold([mixed[:30], mixed[30:]])
    assert float(low.max()) <= threshold < float(high.min())
    assert math.isfinite(group_threshold([torch.zeros(4)]))


def test_the_centre_prior_is_one_in_the_middle_and_falls_to_all_sides() -> None:
    prior = centre_prior((5, 7), 0.6)
    assert prior[2, 3] == 1
    torch.testing.assert_close(prior[2, 6], torch.tensor(math.exp(-1 / 0.36)))
    torch.testing.assert_close(prior, prior.flip(0, 1))
    assert centre_prior((1, 1)).item() == 1


def test_components_unlike_the_group_are_dropped() -> None:
    logits = -torch.ones(3, 3)
    logits[0, 0], logits[2, 2] = 2.0, 3.0
    tokens = GROUND.repeat(9, 1)
    tokens[0], tokens[8] = OBJECT, OTHER
    same = -torch.ones(3, 3)
    same[1, 1] = 2.0
    own = GROUND.repeat(9, 1)
    own[4] = OBJECT
    dropped = drop_strangers([logits, same, same], [tokens, own, own], 0.9)
    expected = logits.clone()
    expected[2, 2] = -3.0
    torch.testing.assert_close(dropped[0], expected)
    torch.testing.assert_close(dropped[1], same)
    assert torch.equal(drop_strangers([logits, same], [tokens, own], 0.0)[0], logits)


def test_losses_follow_the_formulas_pair_by_pair() -> None:
    generator = torch.Generator().manual_seed(0)
    tokens = [torch.randn(n, 4, generator=generator) for n in (5, 3, 4)]
    maps = [torch.rand(len(t), generator=generator) for t in tokens]

    def mean(index: int, weights: torch.Tensor) -> torch.Tensor:
        return F.normalize(sum(w * t for w, t in zip(weights, tokens[index], strict=True)), dim=0)

    total = []
    for i in range(3):
        for j in range(i + 1, 3):
            fi, fj = mean(i, maps[i]), mean(j, maps[j])
            bi, bj = mean(i, 1 - maps[i]), mean(j, 1 - maps[j])
            positive = torch.exp(1 - fi @ fj)
            total.append(positive / (positive + torch.exp(1 - fi @ bi - fj @ bj)))
    torch.testing.assert_close(pair_loss(tokens, maps), torch.stack(total).mean())
    assert pair_loss(tokens[:1], maps[:1]) == 0.5
    unit = [F.normalize(t, dim=1) for t in tokens]
    scores = unit[0] @ torch.cat(unit[1:]).mean(0)
    scaled = (scores - scores.min()) / (scores.max() - scores.min())
    torch.testing.assert_close(shared_maps(tokens)[0], torch.sigmoid((scaled - 0.65) / 0.15))
    expected = 1 - sum((m * m).mean() for m in maps) / 3
    torch.testing.assert_close(agreement_loss(maps, maps), torch.as_tensor(expected))


def test_the_contrast_compares_foregrounds_with_the_backgrounds_of_the_group() -> None:
    tokens = [F.normalize(torch.rand(6, 4) - 0.5, dim=1) for _ in range(3)]
    maps, weights = [torch.rand(6) for _ in tokens], torch.tensor([1.0, 0.5, 0.2])
    pairs = list(zip(tokens, maps, strict=True))
    fore = [F.normalize((m[:, None] * t).sum(0), dim=0) for t, m in pairs]
    back = [F.normalize(((1 - m)[:, None] * t).sum(0), dim=0) for t, m in pairs]
    total, trust = 0.0, 0.0
    for i in range(3):
        others = [fore[j] for j in range(3) if j != i]
        every = sum(float(torch.exp(fore[i] @ other / 0.2)) for other in [*others, *back])
        for j in set(range(3)) - {i}:
            pair = float(weights[i] * weights[j])
            total -= pair * math.log(float(torch.exp(fore[i] @ fore[j] / 0.2)) / every)
            trust += pair
    found = contrast_loss(tokens, maps, weights, temperature=0.2)
    torch.testing.assert_close(float(found), total / trust)
    assert contrast_loss(tokens[:1], maps[:1], weights[:1]) == 0


def test_the_confidence_network_learns_which_maps_overlap_their_masks() -> None:
    torch.manual_seed(0)
    tokens = [torch.stack([OBJECT] * 4 + [GROUND] * 4) for _ in range(4)]
    mask = torch.tensor([1.0] * 4 + [0.0] * 4)
    maps, masks, priors = [mask, mask, 1 - mask, 1 - mask], [mask] * 4, [torch.ones(8)] * 4
    maps[3] = torch.ones(8)
    statistics = map_statistics(tokens, maps, priors)
    torch.testing.assert_close(statistics[:, 2], torch.tensor([0.5, 0.5, 0.5, 1.0]))
    torch.testing.assert_close(statistics[:, 1], torch.zeros(4))
    assert statistics[0, 0] > statistics[2, 0]
    network = ConfidenceNetwork()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.1)
    for _ in range(60):
        loss = network.loss(statistics, maps, masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = network(statistics).sigmoid()
    torch.testing.assert_close(found, torch.tensor([1.0, 1.0, 0.0, 0.5]), atol=0.1, rtol=0)
