"""Every preset's training step compiles for XLA, as a TPU needs it: no op that XLA lacks, no dynamic shape, no host.

It is compiled, not run. Needs TensorFlow.
"""

import keras
import pytest
import tensorflow as tf
from made_up_batches import for_task, make_batch

from keras_uncover.models.build import build_model
from keras_uncover.models.config import model_config
from keras_uncover.training import compiling

SLOW = pytest.mark.slow


def compile_step(task, preset, precision):
    """The compiled program of one training step, as text."""
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        config = model_config(preset)
        model = build_model(task, config)
        compiling.compile_model(model, task, 100, 1e-3, jit_compile=False)
        batch = for_task(make_batch(config, 6), task)
        compiling.prepare_state(model, batch)
        batch = tf.nest.map_structure(tf.constant, batch)
        step = tf.function(lambda *data: model.train_step(data), jit_compile=True)
        return step.experimental_get_compiler_ir(*batch)(stage="optimized_hlo")
    finally:
        keras.config.set_dtype_policy(usual)


@pytest.mark.parametrize(
    "task, preset, precision",
    [
        ("classify", "tiny", "float32"),
        *(pytest.param(task, preset, precision, marks=SLOW) for preset in ("tiny", "small", "base")
          for task in ("classify", "reconstruct") for precision in ("float32", "mixed_bfloat16")),
    ],
)
def test_the_training_step_compiles_for_xla(task, preset, precision):
    text = compile_step(task, preset, precision)
    assert "ENTRY" in text and "convolution" in text
    assert ("bf16[" in text) == (precision == "mixed_bfloat16")
    for word in ("[<=", "infeed", "outfeed", "xla_python", "callback", "send("):
        assert word not in text, word
