"""Training with the JAX backend, in a process of its own. TensorFlow cannot be imported in it.

    KERAS_BACKEND=jax python tests/support/jax_runs.py ANSWERS ARGUMENTS...

Trains by the real script; then writes what the run's network answers for fixed crops to ANSWERS, a ``.npy`` file a
key.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


class Absent:
    """Finds no TensorFlow, as on a machine that has none."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorflow_datasets"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Absent())

import keras  # noqa: E402
import numpy as np  # noqa: E402
from made_up_batches import make_crops  # noqa: E402

import train_keras  # noqa: E402
from keras_uncover.models.build import build_from_folder  # noqa: E402


def main(folder, *arguments):
    train_keras.main(list(arguments))
    options = train_keras.parse_arguments(list(arguments))
    if options.host:
        return
    keras.distribution.set_distribution(None)
    model, config = build_from_folder(options.run)
    size = config["arch"]["size"]
    crops = make_crops(size)
    for key, value in model(crops, training=False).items():
        np.save(Path(folder) / f"{key}.npy", keras.ops.convert_to_numpy(value))
    assert keras.backend.backend() == "jax" and "tensorflow" not in sys.modules


if __name__ == "__main__":
    main(*sys.argv[1:])
