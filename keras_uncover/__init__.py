"""Was the face in a photo swapped in, where, and from which two pictures? See ``Uncoverer``."""

__version__ = "0.1.0"
__all__ = ["ImageError", "Uncoverer", "WeightsError", "__version__"]


def __getattr__(name):
    """Import on first use, so that ``keras-uncover --help`` and ``import keras_uncover`` do not load TensorFlow."""
    if name == "Uncoverer":
        from keras_uncover.inference.uncoverer import Uncoverer as value
    elif name == "ImageError":
        from keras_uncover.images.decode import ImageError as value
    elif name == "WeightsError":
        from keras_uncover.presets.weights import WeightsError as value
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return value
