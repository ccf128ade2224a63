"""What the methods propose beside their own map, for several answers."""

from unittest.mock import patch

import torch

from sod.methods.centre_box import CentreBox
from sod.methods.connnet import ConnNet
from sod.methods.generations.ensemble import Generations
from sod.nn.backbones.build import BackboneConfig
from sod.nn.connectivity.instances import Instances
from sod.nn.decoders.heads import HeadConfig
from sod.nn.decoders.network import NetworkConfig
from sod.nn.decoders.quality import QualityNetwork

FREE = BackboneConfig("descriptor", None)
NETWORK = NetworkConfig(width=4, relation=False, layers=1)


def holds(proposals: list[torch.Tensor], mask: torch.Tensor) -> bool:
    return any(torch.equal(each > 0.5, mask) for each in proposals)


def test_a_connectivity_head_proposes_instances_and_their_unions() -> None:
    labels = torch.zeros(32, 32, dtype=torch.long)
    labels[2:8, 2:8], labels[20:28, 4:9], labels[4:9, 20:30] = 1, 2, 3
    found = [Instances(labels, torch.zeros(3, 4), torch.zeros(3), torch.zeros(3))]
    image, saliency = torch.rand(3, 32, 32), torch.zeros(32, 32)
    method = ConnNet(FREE, network=NETWORK, head=HeadConfig("connectivity")).eval()
    with torch.inference_mode(), patch.object(ConnNet, "instances", return_value=found):
        proposals = method.proposals(image, saliency)
        assert torch.equal(proposals[0], saliency)
        for wanted in ({1}, {2}, {3}, {1, 2}, {1, 3}, {2, 3}, {1, 2, 3}):
            assert holds(proposals, torch.isin(labels, torch.tensor(list(wanted)))), wanted
        binary = ConnNet(FREE, network=NETWORK, head=HeadConfig("binary")).eval()
        others = binary.proposals(image, saliency)
    assert not holds(others, labels == 2)


def test_an_ensemble_proposes_the_map_of_each_member() -> None:
    method = Generations(FREE)
    members = {name: CentreBox(share) for name, share in (("small", 0.3), ("large", 0.8))}
    method.set_members(dict(members), QualityNetwork(method.quality_config))
    image = torch.rand(3, 40, 40)
    with torch.inference_mode():
        own = method.saliency(image[None])[0, 0]
        proposals = method.proposals(image, own)
        assert torch.equal(proposals[0], own)
        for member in members.values():
            assert holds(proposals, member.saliency(image[None])[0, 0] > 0.5)
