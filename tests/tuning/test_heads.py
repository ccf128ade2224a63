import torch
from sklearn.linear_model import LogisticRegression

from sod.tuning.heads import DECAY, crossed_heads, fit_head


def test_a_head_is_the_logistic_regression_on_standardised_features() -> None:
    generator = torch.Generator().manual_seed(0)
    features = 3 * torch.randn(60, 4, generator=generator) + 5
    noise = torch.randn(60, generator=generator)
    targets = features[:, 0] - features[:, 2] + 3 * noise > 0
    head = fit_head(features, targets)
    standard = (features - features.mean(0)) / features.std(0, correction=0)
    # The mean loss with DECAY / 2 |w|² is the oracle's sum with C = 1 / (n DECAY).
    oracle = LogisticRegression(C=1 / (60 * DECAY), tol=1e-8).fit(standard.numpy(), targets.numpy())
    expected = torch.from_numpy(oracle.decision_function(standard.numpy())).float()
    torch.testing.assert_close(head.logits(features), expected, atol=2e-3, rtol=0)


def test_each_half_is_predicted_by_the_head_of_the_other() -> None:
    # In images of even index the object has high values, in those of odd index low ones.
    ramp = torch.linspace(-1, 1, 50)[:, None]
    targets = [ramp[:, 0] > 0, ramp[:, 0] < 0] * 2
    even, odd = crossed_heads([ramp] * 4, targets)
    assert odd.logits(ramp)[-1] > 0 > odd.logits(ramp)[0]
    assert even.logits(ramp)[0] > 0 > even.logits(ramp)[-1]
