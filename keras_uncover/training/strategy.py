"""Which ways of training go together, refused before anything is built."""

import contextlib
import os

import keras

from keras_uncover.refusals import OptionError
from keras_uncover.training.face_losses import FACES_EVERY

TPU_PRECISION = "TPUs have no float16; --precision mixed_bfloat16 is theirs"


class StrategyError(OptionError):
    """Options that do not go together, or a device that is not there."""


def refuse(rule, received, hint):
    raise StrategyError(f"{rule}; received {received}. {hint}.")


def check_options(options, backend, environ=os.environ):
    """Refuse bad pairs of options.

    Args:
        options: with ``strategy``, ``precision``, ``xla``, ``hosts``, ``host``, ``batch_size``, ``parts``,
            ``deterministic``.
        backend: ``tensorflow`` or ``jax``.
        environ: the environment's variables.

    Raises:
        StrategyError: names the rule, what was received, and the way out.
    """
    if backend not in ("tensorflow", "jax"):
        refuse("Training runs on TensorFlow or JAX", f"KERAS_BACKEND={backend}", "Set it to tensorflow or jax")
    if options.strategy == "tpu" and options.precision == "mixed_float16":
        refuse(TPU_PRECISION, "--strategy tpu --precision mixed_float16", "Use that, or float32")
    if backend == "jax":
        check_jax(options)
    else:
        check_tensorflow(options, environ)


def check_jax(options):
    if options.strategy == "mirrored":
        refuse("MirroredStrategy is TensorFlow's", "--strategy mirrored with KERAS_BACKEND=jax",
               "With JAX, --strategy auto uses all devices of all hosts")
    if options.xla == "off":
        refuse("JAX compiles every step by XLA", "--xla off with KERAS_BACKEND=jax", "Leave --xla out")
    if (options.hosts is None) != (options.host is None):
        refuse("--hosts and --host belong together", f"--hosts {options.hosts} --host {options.host}", "Give both")
    if options.hosts is not None and options.strategy == "one":
        refuse("Several hosts train together on all their devices", "--hosts with --strategy one",
               "Use --strategy auto")


def check_tensorflow(options, environ):
    if options.hosts is not None or "TF_CONFIG" in environ:
        refuse("Several hosts train with the JAX backend: fit of Keras 3 fails under MultiWorkerMirroredStrategy "
               "(keras issue 20585)", "--hosts" if options.hosts else "TF_CONFIG in the environment",
               "Set KERAS_BACKEND=jax, or unset TF_CONFIG to train on this host alone")
    if options.xla == "on" and options.strategy == "mirrored":
        refuse("Keras cannot compile a step by XLA under MirroredStrategy", "--xla on --strategy mirrored",
               "Leave --xla out, or train on one device, or with KERAS_BACKEND=jax")
    if options.xla == "on" and options.strategy == "tpu":
        refuse("A TPU compiles every step by itself", "--xla on --strategy tpu", "Leave --xla out")


def check_replicas(options, replicas):
    """Refuse what only the number of replicas tells. XLA and several replicas: see ``check_tensorflow``."""
    received = f"--batch-size {options.batch_size} on {replicas} replicas"
    if options.batch_size % replicas:
        refuse("Every replica takes the same number of examples", received, f"Use a multiple of {replicas}")
    if keras.backend.backend() != "tensorflow":
        return  # Under JAX every loss sees the whole batch, and XLA compiles for all replicas.
    if (options.identity or options.perceptual) and replicas > 1 and options.batch_size // replicas % FACES_EVERY:
        refuse(f"Face losses judge one example of {FACES_EVERY}, on every replica the same ones as on one",
               received, f"Use a multiple of {FACES_EVERY * replicas}")
    if options.xla == "on" and replicas > 1:
        refuse("Keras cannot compile a step by XLA under MirroredStrategy", f"--xla on and {replicas} replicas",
               "Leave --xla out, or use --strategy one, or KERAS_BACKEND=jax")


def check_parts(options):
    """Settle how many parts a batch has: one a host, unless something else was asked for."""
    hosts = len(options.hosts.split(",")) if options.hosts else 1
    options.parts = options.parts or hosts
    if options.parts != hosts and hosts > 1:
        refuse("Each of several hosts makes one part of every batch", f"--parts {options.parts} and {hosts} hosts",
               f"Use --parts {hosts}; one host alone can make any number")


def spread_over_jax(options):
    """On the JAX backend: join the hosts and spread batches over all devices.

    Returns: a context that does nothing, and the number of replicas; the distribution stays set.
    """
    if options.hosts is not None:
        addresses = options.hosts.split(",")
        if not 0 <= options.host < len(addresses):
            refuse("--host counts the addresses of --hosts from 0", f"--host {options.host} of {len(addresses)}",
                   "Mend it")
        keras.distribution.initialize(addresses[0], len(addresses), options.host)
    devices = keras.distribution.list_devices()
    if options.strategy == "tpu" and not any(name.startswith("tpu") for name in devices):
        refuse("--strategy tpu needs a TPU that JAX sees", f"the devices {', '.join(devices)}",
               "Install jax[tpu] on a TPU machine, or leave --strategy out")
    if options.deterministic and any(name.startswith(("gpu", "cuda")) for name in devices):
        if "--xla_gpu_deterministic_ops=true" not in os.environ.get("XLA_FLAGS", ""):
            refuse("On GPUs JAX is deterministic only if XLA is told before it starts", "--deterministic alone",
                   "Set XLA_FLAGS=--xla_gpu_deterministic_ops=true")
    if options.strategy == "one" or len(devices) < 2:
        return contextlib.nullcontext(), 1
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))
    return contextlib.nullcontext(), len(devices)
