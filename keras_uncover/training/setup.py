"""What ``train_keras.py`` is made of: the model of a task, its start, its optimizer, its callbacks."""

import dataclasses
import fnmatch
from pathlib import Path

import keras

from keras_uncover.models.build import build_from_folder, build_model
from keras_uncover.presets import KINDS
from keras_uncover.refusals import OptionError
from keras_uncover.training.callbacks import Board, DrawSamples, StopOnNaN, TellRate, has_tensorboard
from keras_uncover.training.run_folder import HISTORY, cut_history
from keras_uncover.training.saving import (
    CheckpointError,
    SaveRun,
    ValidateAverages,
    find_checkpoint,
    restore_checkpoint,
)

__all__ = ["BEGINNING", "Plan", "build_model"]

BEGINNING = {"step": 0, "epoch": 0, "best": None}  # the note of a run that has no checkpoint yet
PATHS = ("shards", "run", "init", "swap_pairs", "autoencoder", "cache", "identity", "perceptual")


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long a run is. steps: in all, whole epochs. per_epoch: steps an epoch, each of which ends in a checkpoint.
    per_call: steps that are handed to the accelerator at once. keep: checkpoints.
    """

    steps: int
    per_epoch: int
    batch_size: int
    per_call: int = 1
    keep: int = 3

    def __post_init__(self):
        if self.per_epoch % self.per_call:
            raise OptionError(
                "An epoch must be a whole number of calls, so that its checkpoint is of an exact step; received "
                f"{self.per_epoch} steps an epoch and {self.per_call} an execution. Change one of them."
            )

    @property
    def epochs(self):
        return self.steps // self.per_epoch

    @classmethod
    def of(cls, steps, epochs, per_epoch, **rest):
        """From the command line: ``epochs`` of ``per_epoch`` steps, or ``steps`` rounded up to whole epochs."""
        if epochs is None:
            per_epoch = min(per_epoch, steps)
            epochs = -(-steps // per_epoch)
        return cls(epochs * per_epoch, per_epoch, **rest)


def seed_everything(seed):
    """Seed the initial weights; order, swaps and augmentation are seeded where they are drawn."""
    keras.utils.set_random_seed(seed)


def named_layers(model, prefix=""):
    """Every layer with weights, those of inner models too, by its name within the whole: ``encoder/stem_conv``."""
    found = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found.update(named_layers(layer, f"{prefix}{layer.name}/"))
        elif layer.weights:
            found[prefix + layer.name] = layer
    return found


def start_from(model, folder):
    """Copy the weights of the layers that both networks have: encoder and verdict always, decoders if there are any.

    Raises:
        OptionError: the encoders or verdicts have other sizes.
    """
    source, config = build_from_folder(folder)
    for name in ("encoder", "verdict"):
        old, new = source.get_layer(name), model.get_layer(name)
        shapes = [tuple(w.shape) for w in new.weights]
        if [tuple(w.shape) for w in old.weights] != shapes:
            raise OptionError(
                f"--init needs a network of the same preset; {folder} holds {config['arch']['name']!r}, whose {name} "
                "has other shapes."
            )
    old_layers = named_layers(source)
    for name, layer in named_layers(model).items():
        old = old_layers.get(name)
        if old is not None and [w.shape for w in old.weights] == [w.shape for w in layer.weights]:
            layer.set_weights(old.get_weights())


def freeze_layers(model, names):
    """Keep layers as they are.

    Args:
        names: of layers, with a star for any rest of a name; a layer of an inner model as ``encoder/stem_conv``.

    Raises:
        OptionError: no layer with weights is called so.
    """
    layers = named_layers(model)
    for name in names:
        found = fnmatch.filter(layers, name)
        if not found:
            raise OptionError(f"--freeze takes names of layers with weights; received {name!r}, which none is called.")
        for each in found:
            layers[each].trainable = False


def run_config(task, config, name, arguments):
    """What a run's ``config.json`` says; ``threshold`` stays null until a calibration has set it.

    Of paths among the arguments only the last part is kept, and no host: a published preset tells nothing of its
    author's disk and network.
    """
    arguments = {key: value for key, value in arguments.items() if key not in ("hosts", "host", "resume")}
    return {
        "format": 1,
        "kind": KINDS[task],
        "name": name,
        "arch": dataclasses.asdict(config),
        "threshold": None,
        "trained": {**arguments, **plain_names(arguments)},
    }


def plain_names(arguments):
    """The last part of every path among the arguments."""
    return {key: Path(arguments[key]).name for key in PATHS if arguments.get(key)}


def find_note(folder):
    """The note of a run's newest whole checkpoint, ``BEGINNING`` where it was stopped before its first one."""
    return find_checkpoint(folder) or BEGINNING


def resume_state(model, folder, note):
    """Load the checkpoint that ``find_note`` found into a compiled model."""
    if note["step"] == 0:
        return
    restore_checkpoint(model, folder, note["step"])
    made = int(model.optimizer.iterations)
    # An optimizer that scales the loss leaves steps out whose gradients overflow float16.
    skips = hasattr(model.optimizer, "inner_optimizer")
    if made > note["step"] or (made < note["step"] and not skips):
        raise CheckpointError(f"The checkpoint of step {note['step']} must be of that many; its optimizer made {made}.")


def first_batch(dataset):
    """The first batch of a ``tf.data.Dataset`` or a ``PyDataset`` as NumPy arrays: ``(input, truths, weights)``."""
    if isinstance(dataset, keras.utils.PyDataset):
        return dataset[0]
    return next(dataset.as_numpy_iterator())


def writing_callbacks(folder, config, note, plan, samples=None):
    """What a run writes: history, TensorBoard's files where it is installed, sample grids, network, checkpoints.

    Args:
        folder: the run's folder.
        config: of ``run_config``.
        note: of the checkpoint that the run goes on from.
        plan: ``Plan``.
        samples: batch to draw, or None.
    """
    cut_history(folder, note["epoch"])
    board = Board(folder, note["epoch"]) if has_tensorboard() else None
    return [
        keras.callbacks.CSVLogger(str(folder / HISTORY), append=True),
        *([] if board is None else [board]),
        *([] if samples is None else [DrawSamples(folder, samples, board)]),
        SaveRun(folder, config, plan.per_epoch, plan.keep, note["best"]),
    ]


def following_callbacks(folder, config, note, plan):
    """The callbacks of every host but the first, beside its ``writing_callbacks``: they save the same, elsewhere.

    Under JAX, a host that makes or assigns a variable spread over hosts waits until all of them do so, and Keras makes
    and assigns some when it saves. So all hosts save; ``folder`` is a temporary one.
    """
    return [SaveRun(folder, config, plan.per_epoch, 1, note["best"])]


def callbacks(plan, batch_at, folder=None, writing=()):
    """The callbacks of a run, in the order in which they must be called.

    Args:
        plan: ``Plan``.
        batch_at: function of a step to its batch.
        folder: the run's folder, None on a host that does not write it.
        writing: what ``writing_callbacks`` or ``following_callbacks`` returned.
    """
    return [
        ValidateAverages(),
        StopOnNaN(folder, batch_at, plan.per_epoch, plan.per_call),
        TellRate(plan.batch_size, plan.steps, plan.per_epoch, tells=folder is not None),
        *writing,
    ]
