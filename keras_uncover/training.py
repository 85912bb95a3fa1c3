"""What ``train_keras.py`` is made of: the model of a task, its start, its optimizer, its callbacks."""

import dataclasses
import json
from pathlib import Path

import keras

from keras_uncover import losses, metrics
from keras_uncover.config import ModelConfig
from keras_uncover.models.classifier import build_classifier
from keras_uncover.models.reconstructor import build_reconstructor
from keras_uncover.presets import RUN_MODEL, preset_folder
from keras_uncover.weights import load_verified, load_weights, save_preset

BUILDERS = {"classify": build_classifier, "reconstruct": build_reconstructor}
KINDS = {"classify": "classifier", "reconstruct": "reconstructor"}


def seed_everything(seed):
    """Seed the initial weights; order, swaps and augmentation are seeded where they are drawn."""
    keras.utils.set_random_seed(seed)


def build_model(task, config):
    """The network of a task, ``classify`` or ``reconstruct``, with new weights."""
    if task not in BUILDERS:
        raise ValueError(f"task must be classify or reconstruct; received {task!r}.")
    return BUILDERS[task](config)


def build_from_folder(folder):
    """The network that a preset or run folder holds, with its weights. Returns: model, configuration dict."""
    folder = preset_folder(folder)
    config = load_verified(folder)
    tasks = {kind: task for task, kind in KINDS.items()}
    if config.get("kind") not in tasks:
        raise ValueError(f"{folder} must hold a classifier or a reconstructor; it holds {config.get('kind')!r}.")
    model = build_model(tasks[config["kind"]], ModelConfig.from_dict(config["arch"]))
    load_weights(model, folder)
    return model, config


def start_from(model, folder):
    """Carry encoder and verdict of a trained network into ``model``; both must have the same sizes."""
    source, config = build_from_folder(folder)
    for name in ("encoder", "verdict"):
        old, new = source.get_layer(name), model.get_layer(name)
        shapes = [tuple(w.shape) for w in new.weights]
        if [tuple(w.shape) for w in old.weights] != shapes:
            raise ValueError(
                f"--init needs a network of the same preset; {folder} holds {config['arch']['name']!r}, whose {name} "
                "has other shapes."
            )
        new.set_weights(old.get_weights())


def compile_model(model, task, steps, learning_rate):
    """AdamW, linear warm-up then cosine decay, and an average of the weights over about the last 1,000 steps."""
    warmup = min(300, steps // 10)
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate * 0.02, steps - warmup, alpha=0.01, warmup_target=learning_rate, warmup_steps=warmup
    )
    momentum = min(0.999, 1.0 - 10.0 / max(steps, 20))
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-3, use_ema=True, ema_momentum=momentum)
    if task == "classify":
        model.compile(optimizer, losses.classifier_losses(), metrics=metrics.classifier_metrics())
    else:
        model.compile(
            optimizer,
            losses.reconstructor_losses(),
            loss_weights=losses.RECONSTRUCTOR_WEIGHTS,
            metrics=metrics.reconstructor_metrics(),
        )


class SaveRun(keras.callbacks.Callback):
    """Write the averaged weights as a preset folder after every epoch; the write is atomic."""

    def __init__(self, folder, config):
        super().__init__()
        self.folder, self.config = folder, config

    def on_epoch_end(self, epoch, logs=None):
        save_preset(self.model, self.folder, self.config, half=False)


def run_config(task, config, command):
    """What a run folder's ``config.json`` says; ``threshold`` stays null until a calibration has set it."""
    return {
        "format": 1,
        "kind": KINDS[task],
        "name": config.name,
        "arch": dataclasses.asdict(config),
        "threshold": None,
        "trained": command,
    }


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
    """Averaged weights for validation and saving, the history as CSV, the run folder."""
    return [
        keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
        keras.callbacks.CSVLogger(str(folder / "history.csv")),
        keras.callbacks.TerminateOnNaN(),
        SaveRun(str(folder / RUN_MODEL), config),
    ]
