"""Sizes of the networks: the presets that ``build_classifier`` and ``build_reconstructor`` know by name."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What fixes a network's shape.

    size: pixels of the crop's side. stem: pixels of a patch that become one place of the finest feature map.
    widths: channels of each level, finest first; each level halves the side. blocks: residual blocks of each level.
    """

    name: str
    size: int
    stem: int
    widths: tuple[int, ...]
    blocks: tuple[int, ...]

    def __post_init__(self):
        if len(self.widths) != len(self.blocks) or not self.widths:
            raise ValueError(
                f"widths and blocks must name the same levels, at least one; received {self.widths}, {self.blocks}."
            )
        smallest = self.stem * 2 ** (len(self.widths) - 1)
        if self.size % smallest or self.size % 16:
            raise ValueError(
                f"size must be divisible by 16 and by stem x 2^(levels - 1) = {smallest}; received {self.size}."
            )

    @classmethod
    def from_dict(cls, values):
        """Rebuild from JSON, where tuples have become lists; unknown or missing fields are refused."""
        names = {field.name for field in dataclasses.fields(cls)}
        if set(values) != names:
            raise ValueError(f"A model configuration has the fields {sorted(names)}; received {sorted(values)}.")
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


# Dense convolutions of 32 channels and more run on a CPU as fast as matrix products, thinner ones and depthwise ones
# do not: hence a space-to-depth stem and no full-resolution convolution.
TINY = ModelConfig("tiny", size=64, stem=4, widths=(32, 64, 96), blocks=(1, 1, 1))
SMALL = ModelConfig("small", size=128, stem=4, widths=(48, 96, 160), blocks=(1, 1, 2))
BASE = ModelConfig("base", size=256, stem=4, widths=(64, 96, 160, 256), blocks=(1, 2, 2, 2))


def model_config(name):
    """A preset's configuration by its name: ``tiny``, ``small`` or ``base``."""
    for config in (TINY, SMALL, BASE):
        if config.name == name:
            return config
    raise ValueError(f"There are the presets tiny, small and base; received {name!r}.")
