"""Weights of timm models on the Hugging Face hub."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path

import timm
from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache

from sod.core.errors import SodError


def hub_file(name: str) -> Path:
    """Return the weights file of a timm model, from the cache or downloaded into it.

    A single request checks the connection before a download: without a network, the hub's client
    would retry for most of a minute.

    Args:
        name: A timm model with its tag, such as ``vit_small_patch16_224.dino``.

    Returns:
        The file in the cache.

    Raises:
        SodError: If the model has no published weights, or they are neither cached nor reachable.
    """
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        raise SodError(f"{name}: has no weights on the hub; use --model.backbone.weights FILE")
    repository = config.hf_hub_id
    file = config.hf_hub_filename or "model.safetensors"
    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    remedy = (
        f"get {file} of the Hugging Face repository {repository} "
        "and pass it with --model.backbone.weights FILE"
    )
    if constants.HF_HUB_OFFLINE or not _is_reachable(hf_hub_url(repository, file)):
        raise SodError(f"{name}: no cached weights and no connection to the hub; {remedy}")
    try:
        return Path(hf_hub_download(repository, file))
    except OSError as error:
        raise SodError(f"{name}: the download failed ({type(error).__name__}); {remedy}") from error


def _is_reachable(url: str) -> bool:
    """Return whether the server responds; an HTTP error is a response too."""
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - made by the hub's client
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return True
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        # The hub's client has its own certificates, which Python may lack.
        return isinstance(error.reason, ssl.SSLError)
    except OSError:
        return False
