"""The dense 1-D convolutional encoder: log-frequency bands are its channels, time is what it slides over.

All convolutions are valid: an embedding depends on its own receptive field and on nothing else, so a clip, a
window and a whole track give the same vectors. The idea of embedding every position of a shared feature map,
rather than overlapping crops one by one, is that of dense prediction (Long et al., 2015); training by contrast
follows the neural audio fingerprint (Chang et al., 2021); zero-mean kernels follow Schlüter and Lehner (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from ingest.fingerprint.architecture import LOCAL_BANDS, LOCAL_FRAMES, STEM_KERNEL, STEM_STRIDE, NetworkConfig


class ZeroMeanConv(nn.Conv1d):
    """A convolution whose kernels sum to zero: adding a constant to all bands, a change of gain, changes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2), keepdim=True)
        return functional.conv1d(x, weight, self.bias, self.stride)


class ZeroMeanConv2d(nn.Conv2d):
    """The same over bands and frames; the padding beyond the outermost bands repeats them."""

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight - self.weight.mean(dim=(1, 2, 3), keepdim=True)
        x = functional.pad(x, (0, 0, self.padding[0], self.padding[0]), mode="replicate")  # type: ignore[arg-type]
        return functional.conv2d(x, weight, self.bias, self.stride)


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation (folded away for inference) and ReLU."""

    def __init__(self, conv: nn.Conv1d | nn.Conv2d) -> None:
        norm = nn.BatchNorm1d if isinstance(conv, nn.Conv1d) else nn.BatchNorm2d
        super().__init__(conv, norm(conv.out_channels), nn.ReLU())


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


class LocalPatterns(nn.Module):
    """2-D convolutions over bands and frames: one set of patterns, looked for at every pitch.

    Shape: [B, F, frames] → [B, C, frames'], C = channels · bands of the last layer.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(ConvNorm(_local_conv(n, a, b)) for n, (a, b) in enumerate(pairwise((1, *channels))))
        )

    def forward(self, bands: Tensor) -> Tensor:
        found: Tensor = self.layers(bands[:, None]).flatten(1, 2)
        return found


def _local_conv(layer: int, channels: int, wanted: int) -> nn.Conv2d:
    if layer == 0:
        return ZeroMeanConv2d(channels, wanted, (LOCAL_BANDS, LOCAL_FRAMES), (2, 1), (LOCAL_BANDS // 2, 0), bias=False)
    kernel, stride = (LOCAL_BANDS, STEM_KERNEL), (2, STEM_STRIDE)
    return nn.Conv2d(channels, wanted, kernel, stride, (LOCAL_BANDS // 2, 0), bias=False)


class Network(nn.Module):
    """Shape: bands [B, F, frames] → unit vectors [B, D, N], one every EMBEDDING_HOP samples."""

    def __init__(self, bands: int, config: NetworkConfig) -> None:
        super().__init__()
        channels = bands
        for patterns in config.local:
            bands = (bands + 1) // 2
            channels = patterns * bands
        layers: list[nn.Module] = [LocalPatterns(config.local)] if config.local else []
        for number, halving in enumerate(config.stem):
            first = number == 0 and not config.local
            conv = (ZeroMeanConv if first else nn.Conv1d)(channels, halving, STEM_KERNEL, STEM_STRIDE, bias=False)
            layers.append(ConvNorm(conv))
            channels = halving
        if channels != config.width:
            layers.append(ConvNorm(nn.Conv1d(channels, config.width, 1, bias=False)))
        layers += [ContextBlock(config.width, kernel, config.expansion) for kernel in config.context_kernels]
        self.layers = nn.Sequential(*layers, nn.Conv1d(config.width, config.dim, 1))

    def forward(self, bands: Tensor) -> Tensor:
        return functional.normalize(self.layers(bands).float(), dim=1)


def fold_batch_norm(network: Network) -> Network:
    """Fold every batch normalisation into the convolution before it; same output, fewer operations.

    A zero-mean kernel stays one: every output channel is scaled as a whole.
    """
    for module in network.modules():
        if isinstance(module, ConvNorm):
            conv, norm = module[0], module[1]
            assert isinstance(conv, nn.Conv1d | nn.Conv2d) and isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
            module[0] = nn.utils.fuse_conv_bn_eval(conv.eval(), norm.eval())
            module[1] = nn.Identity()
    return network
