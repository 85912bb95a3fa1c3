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
        values = check_names(cls, values)
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


@dataclasses.dataclass(frozen=True)
class EvidenceConfig:
    """What fixes a classifier that starts from ImageNet.

    size: pixels of the crop's side, a multiple of 32. view: the crop's side in percent of the usual crop's, about the
    same middle. encoder: the network's body.
    """

    name: str = "evidence"
    size: int = 256
    view: int = 125
    encoder: str = "efficientnet-lite0"

    def __post_init__(self):
        if self.encoder != "efficientnet-lite0" or self.size % 32 or not 100 <= self.view <= 200:
            raise ValueError(
                "A classifier of this kind has the encoder efficientnet-lite0, a size divisible by 32 and a view of "
                f"100 to 200 percent; received {self.encoder!r}, {self.size} and {self.view}."
            )

    @classmethod
    def from_dict(cls, values):
        """Rebuild from JSON; unknown or missing fields are refused."""
        return cls(**check_names(cls, values))


def check_names(cls, values):
    """``values`` if they name the fields of a configuration, all and no others; else ValueError."""
    names = {field.name for field in dataclasses.fields(cls)}
    if set(values) != names:
        raise ValueError(f"A model configuration has the fields {sorted(names)}; received {sorted(values)}.")
    return values


def read_config(values):
    """The configuration that ``arch`` of a preset's ``config.json`` holds: the one with an encoder by name, or not."""
    return (EvidenceConfig if "encoder" in values else ModelConfig).from_dict(values)


def view_of(arch):
    """The crop's side in sides of the usual crop, a float, from ``arch`` of a preset's ``config.json``."""
    return arch.get("view", 100) / 100.0


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
