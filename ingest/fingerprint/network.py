"""The dense 1-D convolutional encoder: log-frequency bands are its channels, time is what it slides over.

All convolutions are valid: an embedding depends on its own receptive field and on nothing else, so a clip, a
window and a whole track give the same vectors. The idea of embedding every position of a shared feature map,
rather than overlapping crops one by one, is that of dense prediction (Long et al., 2015); training by contrast
follows the neural audio fingerprint (Chang et al., 2021); zero-mean kernels follow Schlüter and Lehner (2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ingest.fingerprint.architecture import STEM_KERNEL, STEM_STRIDE, NetworkConfig


class ZeroMeanConv(nn.Conv1d):
    """A convolution whose kernels sum to zero: adding a constant to all bands, a change of gain, changes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2), keepdim=True)
        return functional.conv1d(x, weight, self.bias, self.stride)


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation (folded away for inference) and ReLU."""

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__(conv, nn.BatchNorm1d(conv.out_channels), nn.ReLU())


class ContextBlock(nn.Module):
    """Looks `kernel` embeddings wide, then mixes channels, each step added to what came in."""

    def __init__(self, channels: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.context = ConvNorm(nn.Conv1d(channels, channels, kernel, bias=False))
        self.mix = nn.Sequential(
            ConvNorm(nn.Conv1d(channels, channels * expansion, 1, bias=False)),
            nn.Conv1d(channels * expansion, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        before = (self.kernel - 1) // 2
        after = self.kernel - 1 - before
        x = x[..., before : x.shape[-1] - after] + self.context(x)
        mixed: Tensor = x + self.mix(x)
        return mixed


class Network(nn.Module):
    """Shape: bands [B, F, frames] → unit vectors [B, D, N], one every EMBEDDING_HOP samples."""

    def __init__(self, bands: int, config: NetworkConfig) -> None:
        super().__init__()
        a, b, c = config.stem
        self.layers = nn.Sequential(
            ConvNorm(ZeroMeanConv(bands, a, STEM_KERNEL, STEM_STRIDE, bias=False)),
            ConvNorm(nn.Conv1d(a, b, STEM_KERNEL, STEM_STRIDE, bias=False)),
            ConvNorm(nn.Conv1d(b, c, STEM_KERNEL, STEM_STRIDE, bias=False)),
            *(ContextBlock(c, k, config.expansion) for k in config.context_kernels),
            nn.Conv1d(c, config.dim, 1),
        )

    def forward(self, bands: Tensor) -> Tensor:
        return functional.normalize(self.layers(bands), dim=1)


def fold_batch_norm(network: Network) -> Network:
    """Fold every batch normalisation into the convolution before it; same output, fewer operations."""
    for module in network.modules():
        if not isinstance(module, ConvNorm):
            continue
        conv, norm = module[0], module[1]
        assert isinstance(conv, nn.Conv1d) and isinstance(norm, nn.BatchNorm1d)
        if isinstance(conv, ZeroMeanConv):
            with torch.no_grad():
                conv.weight -= conv.weight.mean(dim=(1, 2), keepdim=True)
            plain = nn.Conv1d(conv.in_channels, conv.out_channels, STEM_KERNEL, STEM_STRIDE, bias=False)
            plain.weight = conv.weight
            conv = plain
        module[0] = nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval())
        module[1] = nn.Identity()
    return network
