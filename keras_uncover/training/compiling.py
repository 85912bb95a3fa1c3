"""A network made ready for its first step: losses, optimizer, schedule, and every variable that a step needs."""

import keras
import numpy as np
from keras import ops, tree

from keras_uncover.backend import own_settings
from keras_uncover.models.build import TASKS
from keras_uncover.refusals import OptionError
from keras_uncover.training.losses import task_losses
from keras_uncover.training.metrics import task_metrics


class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from 0 to the peak, then half a cosine down to a share of it, where it stays.

    The same numbers as ``keras.optimizers.schedules.CosineDecay`` with a warm-up. That class branches, and Keras calls
    a schedule once for every weight; the branches took a third of the time that a training needs to start.

    Args:
        peak: the highest rate, after the warm-up.
        steps: of the whole training.
        warmup: steps of the warm-up, fewer than those.
        floor: share of the peak at the end, 0 to 1.
    """

    def __init__(self, peak, steps, warmup, floor=0.01):
        super().__init__()
        if not 0 <= warmup < steps:
            raise OptionError(f"The warm-up must be shorter than the training; received {warmup} of {steps} steps.")
        self.peak, self.steps, self.warmup, self.floor = peak, steps, warmup, floor

    def __call__(self, step):
        step = ops.cast(step, "float32")
        done = ops.clip((step - self.warmup) / (self.steps - self.warmup), 0.0, 1.0)
        falling = self.floor + (1.0 - self.floor) * 0.5 * (1.0 + ops.cos(np.pi * done))
        rising = ops.minimum(step / self.warmup, 1.0) if self.warmup else 1.0
        return self.peak * rising * falling

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup, "floor": self.floor}


def read_weights(words, task):
    """Weights of a task's losses by output: the usual ones but for ``OUTPUT=WEIGHT`` words.

    Raises:
        OptionError: no such output, or no number; the one loss of a classifier needs no weight.
    """
    weights = dict(TASKS[task].weights)
    if words and len(weights) == 1:
        raise OptionError(
            f"--weigh is for tasks of several losses; received {words} for {task}, which has one. Leave it out."
        )
    for word in words:
        output, _, value = word.partition("=")
        try:
            number = float(value)
        except ValueError:
            number = None
        if output not in weights or number is None:
            raise OptionError(f"--weigh takes OUTPUT=WEIGHT with an output of {', '.join(weights)}; received {word!r}.")
        weights[output] = number
    return weights


@own_settings()
def compile_model(model, task, steps, learning_rate, faces=(), weights=None, **how):
    """Compile a network for a task: AdamW, linear warm-up from 0, cosine decay, and an average of the weights over
    about the last tenth of the steps, at most 1,000.

    The first step has the rate 0 and only fills AdamW's moments. Otherwise it would move every weight by the sign of
    its gradient, even where that is a rounding error. Gradients are not clipped: Keras clips before the gradients of
    replicas are summed, so the result would depend on their number. Metrics are weighted ones, as only those are told
    which examples have a donor.

    Args:
        model: built by ``build_model``.
        task: a name of ``TASKS``.
        steps: of the whole training.
        learning_rate: the highest.
        faces: as for ``losses.task_losses``.
        weights: of the losses by output, those of the task if None.
        how: passed on to ``compile``, such as ``jit_compile`` and ``steps_per_execution``.
    """
    schedule = WarmCosine(learning_rate, steps, min(300, steps // 10))
    momentum = min(0.999, 1.0 - 10.0 / max(steps, 20))
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=1e-3, use_ema=True, ema_momentum=momentum)
    model.compile(
        optimizer,
        task_losses(TASKS[task], faces),
        loss_weights=weights or TASKS[task].weights,
        weighted_metrics=task_metrics(TASKS[task]),
        **how,
    )


@own_settings()
def prepare_state(model, batch=None):
    """Make the optimizer's variables, so that a checkpoint can be loaded and their size is known; with a batch, those
    of losses and metrics, too.

    TensorFlow traces a step a second time if the first trace made variables, which takes as long again.
    """
    model.optimizer.build(model.trainable_variables)
    if batch is not None:
        _, truth, weight = batch
        blank = {name: np.zeros((len(truth[name]), *answer.shape[1:]), "float32")
                 for name, answer in model.output.items() if name in truth}
        model.compute_loss(y=truth, y_pred=blank, sample_weight=weight, training=False)
        model.compute_metrics(None, truth, blank, weight)
        model.reset_metrics()


def blank_batch(dataset):
    """One example of zeros, of the shapes and dtypes that a ``tf.data.Dataset`` gives."""
    return tree.map_structure(lambda spec: np.zeros((1, *spec.shape[1:]), spec.dtype.name), dataset.element_spec)
