"""Write a preset as a SavedModel that needs no code of ours.

    python -m export.saved_model small served/keras_uncover
    python -m export.saved_model runs/small served/keras_uncover --version 7

One signature so far, ``crops``: aligned crops, float32 ``(n, size, size, 3)`` in [0, 1], to the network's outputs by
name, ``p_fake`` calibrated where the preset is. Finding and aligning faces happens before it, by ``keras_uncover``.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from keras_uncover.calibrated import calibrate_model  # noqa: E402
from keras_uncover.presets import build_from_folder  # noqa: E402
from keras_uncover.weights import WeightsError  # noqa: E402

TOLERANCE = 1e-4


class ExportError(RuntimeError):
    """A version that cannot be written, or that does not answer as its preset does."""


def next_version(folder):
    """One more than the highest version in a folder, 1 where there is none."""
    versions = [int(path.name) for path in Path(folder).glob("*") if path.name.isdigit()]
    return max(versions, default=0) + 1


def write_signatures(model, folder):
    """Write the SavedModel of a network with the signature ``crops``."""
    _, size, _, channels = model.inputs[0].shape
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        name="crops",
        fn=lambda crops: model(crops, training=False),
        input_signature=[tf.TensorSpec((None, size, size, channels), tf.float32, name="crops")],
    )
    archive.write_out(str(folder), verbose=False)


def check_answers(model, folder):
    """Refuse a SavedModel whose answers differ from the network's, on crops drawn from a fixed seed."""
    shape = (2, *model.inputs[0].shape[1:])
    crops = np.random.default_rng(0).random(shape, "float32")
    served = tf.saved_model.load(str(folder)).signatures["crops"](crops=tf.constant(crops))
    for name, expected in model(crops, training=False).items():
        difference = float(tf.reduce_max(tf.abs(served[name] - expected)))
        if not difference <= TOLERANCE:
            raise ExportError(
                f"A SavedModel must answer as its preset does, within {TOLERANCE}; {name} differs by {difference}. "
                "Nothing was moved into place."
            )


def export(preset, served, version=None):
    """Write ``served/VERSION``, made beside it and moved into place whole.

    Args:
        preset: name of a shipped preset, preset folder or run folder.
        served: folder of versions.
        version: integer; None for the next one.

    Returns: ``pathlib.Path`` of the version.

    Raises:
        ExportError: the version exists already, or does not answer as the preset does.
        WeightsError: there is no such preset, or it was altered.
    """
    model = calibrate_model(*build_from_folder(preset))
    served = Path(served)
    version = next_version(served) if version is None else version
    place = served / str(version)
    if place.exists():
        raise ExportError(f"A version is never overwritten; {place} exists. Leave --version out for the next one.")
    served.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".writing-", dir=served))
    try:
        write_signatures(model, fresh / "model")
        check_answers(model, fresh / "model")
        os.replace(fresh / "model", place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("preset", metavar="PRESET|RUN")
    parser.add_argument("served", metavar="SERVED_DIR")
    parser.add_argument("--version", type=int, help="default: one more than the highest there is")
    options = parser.parse_args(arguments)
    try:
        print(export(options.preset, options.served, options.version))
    except (ExportError, WeightsError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 4 if isinstance(error, WeightsError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
