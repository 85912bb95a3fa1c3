"""Train a classifier or a reconstructor from TFRecord shards.

    python train_keras.py SHARDS runs/detector --task classify --preset small
    python train_keras.py SHARDS runs/small --task reconstruct --preset small --init runs/detector
    python train_keras.py SHARDS runs/mixed --swap-pairs PAIRS --mix 0.3

SHARDS is a folder written by ``python -m pipelines.portraits``, PAIRS one by ``python -m pipelines.swap_pairs``, whose
ready-made fakes are mixed with synthesised ones. The run folder holds history.csv, arguments.json and
model/, which ``keras-uncover predict --preset runs/small`` reads.
"""

import argparse
import contextlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_uncover import config, training  # noqa: E402
from pipelines.load import load  # noqa: E402


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", help="folder of TFRecord shards")
    parser.add_argument("run", help="new folder for the run")
    parser.add_argument("--task", choices=("classify", "reconstruct"), default="reconstruct")
    parser.add_argument("--preset", choices=("tiny", "small", "base"), default="small")
    parser.add_argument("--init", metavar="FOLDER", help="run or preset to start from: its encoder and verdict, and decoders if it has them")
    parser.add_argument("--steps", type=int, default=6000, help="steps, rounded up to whole epochs (%(default)s)")
    parser.add_argument("--steps-per-epoch", type=int, default=500, help="steps between validations (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=16, help="examples a step, over all replicas (%(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="peak of the schedule (%(default)s)")
    parser.add_argument("--genuine", type=float, default=0.25, help="share of genuine photos (%(default)s)")
    parser.add_argument("--swap-pairs", metavar="PAIRS", help="folder of ready-made fakes to mix in")
    parser.add_argument("--mix", type=float, default=0.3, help="their share of the fakes (%(default)s)")
    parser.add_argument("--autoencoder", default="autoencoder", metavar="FOLDER",
                        help="preset or folder for swaps of the family resynth; none: without them (%(default)s)")
    parser.add_argument("--morphs", type=float, default=0.0, help="share of donors mixed of two people (%(default)s)")
    parser.add_argument("--strategy", choices=("auto", "one", "mirrored"), default="auto")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def choose_strategy(name):
    """MirroredStrategy over all GPUs, or over all logical devices when asked for, else a context that does nothing."""
    if name == "one":
        return contextlib.nullcontext()
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if name == "auto" and len(devices) < 2:
        return contextlib.nullcontext()
    return tf.distribute.MirroredStrategy([device.name for device in devices]).scope()


def main(arguments=None):
    options = parse_arguments(arguments)
    data = dict(batch_size=options.batch_size, task=options.task, genuine_share=options.genuine, seed=options.seed)
    data.update(swap_pairs=options.swap_pairs, mix=options.mix, morph_share=options.morphs)
    data.update(autoencoder=None if options.autoencoder == "none" else options.autoencoder)
    train = load(options.shards, "train", **data)
    validation = load(options.shards, "validation", training=False, **data)
    per_epoch = min(options.steps_per_epoch, options.steps)
    epochs = -(-options.steps // per_epoch)
    training.seed_everything(options.seed)
    with choose_strategy(options.strategy):
        sizes = config.model_config(options.preset)
        model = training.build_model(options.task, sizes)
        if options.init:
            training.start_from(model, options.init)
        training.compile_model(model, options.task, epochs * per_epoch, options.learning_rate)
    # Only now, so that a start that fails does not use the run's name up.
    folder = training.prepare_folder(options.run, vars(options))
    model.fit(
        train,
        validation_data=validation,
        epochs=epochs,
        steps_per_epoch=per_epoch,
        shuffle=False,  # the data are; Keras would warn that it cannot
        callbacks=training.callbacks(folder, training.run_config(options.task, sizes, folder.name, vars(options))),
    )
    print(f"{folder}: done; keras-uncover predict PHOTO --preset {folder}")


if __name__ == "__main__":
    main()
