"""What ``train_keras.py`` is made of: the model of a task, its start, its optimizer, its callbacks."""

import dataclasses
import json
from pathlib import Path

import keras

from keras_uncover import losses, metrics
from keras_uncover.presets import KINDS, RUN_MODEL, build_from_folder, build_model
from keras_uncover.weights import save_preset


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
    """Carry over from a trained network what both have: encoder and verdict always, decoders where it has them.

    Raises:
        ValueError: the encoders or verdicts have other sizes.
    """
    source, config = build_from_folder(folder)
    for name in ("encoder", "verdict"):
        old, new = source.get_layer(name), model.get_layer(name)
        shapes = [tuple(w.shape) for w in new.weights]
        if [tuple(w.shape) for w in old.weights] != shapes:
            raise ValueError(
                f"--init needs a network of the same preset; {folder} holds {config['arch']['name']!r}, whose {name} "
                "has other shapes."
            )
    old_layers = named_layers(source)
    for name, layer in named_layers(model).items():
        old = old_layers.get(name)
        if old is not None and [w.shape for w in old.weights] == [w.shape for w in layer.weights]:
            layer.set_weights(old.get_weights())


def compile_model(model, task, steps, learning_rate, faces=()):
    """AdamW, linear warm-up then cosine decay, and an average of the weights over about the last tenth of the steps,
    at most 1,000.

    The metrics are given as weighted ones: only those are told which examples have a donor. faces: as for
    ``losses.reconstructor_losses``.
    """
    warmup = min(300, steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate * 0.02, steps - warmup, alpha=0.01, warmup_target=learning_rate, warmup_steps=warmup
    )
    momentum = min(0.999, 1.0 - 10.0 / max(steps, 20))
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-3, use_ema=True, ema_momentum=momentum)
    if task == "classify":
        model.compile(optimizer, losses.classifier_losses(), weighted_metrics=metrics.classifier_metrics())
    else:
        model.compile(
            optimizer,
            losses.reconstructor_losses(faces),
            loss_weights=losses.RECONSTRUCTOR_WEIGHTS,
            weighted_metrics=metrics.reconstructor_metrics(),
        )


class SaveRun(keras.callbacks.Callback):
    """Write the averaged weights as a preset folder after every epoch, without the optimizer; the write is atomic."""

    def __init__(self, folder, config):
        super().__init__()
        self.folder, self.config = folder, config

    def on_epoch_end(self, epoch, logs=None):
        # The same layers in a model that was never compiled: the optimizer's slots are three times the weights.
        bare = keras.Model(self.model.inputs, self.model.outputs, name=self.model.name)
        save_preset(bare, self.folder, self.config, half=False)


def run_config(task, config, name, arguments):
    """What a run's ``config.json`` says; ``threshold`` stays null until a calibration has set it.

    Of paths among the arguments only the last part is kept: a published preset tells nothing of its author's disk.
    """
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
    keys = ("shards", "run", "init", "swap_pairs", "identity", "perceptual", "autoencoder")
    return {key: Path(arguments[key]).name for key in keys if arguments.get(key)}


def prepare_folder(folder, arguments):
    """Make the run folder and note its arguments; a folder that already holds a run is refused."""
    folder = Path(folder)
    if (folder / "arguments.json").exists():
        raise FileExistsError(
            f"A run folder must be new; {folder} holds a run already. Choose another name or move it away."
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "arguments.json").write_text(json.dumps(arguments, indent=2, default=str) + "\n")
    return folder


def callbacks(folder, config):
    """Averaged weights for validation and saving, the history as CSV, the run folder.

    A loss that is not finite ends training with RuntimeError, before the folder's last good weights are replaced.
    """
    return [
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        keras.callbacks.CSVLogger(str(folder / "history.csv")),
        keras.callbacks.TerminateOnNaN(raise_error=True),
        SaveRun(str(folder / RUN_MODEL), config),
    ]
