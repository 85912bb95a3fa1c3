"""Which ways of training go together, refused before anything is built."""

import contextlib
import dataclasses
import os

import keras

from keras_uncover.refusals import OptionError
from keras_uncover.training.face_losses import FACES_EVERY

TPU_PRECISION = "TPUs have no float16; --precision mixed_bfloat16 is theirs"


class StrategyError(OptionError):
    """Options that do not go together, or a device that is not there."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """On what a run is computed, and how; not every choice goes with every other.

    Attributes:
        strategy: ``auto``, ``one``, ``mirrored`` or ``tpu``: over which devices batches are spread.
        precision: name of a dtype policy of Keras.
        xla: ``auto``, ``on`` or ``off``: whether a step is compiled by XLA.
        hosts: addresses of several hosts, joined by commas, or None. host: the number of this one, from 0, or None.
        batch_size: examples a step, over all replicas.
        parts: parts that a batch is made of, or None for one a host.
        deterministic: whether equal runs must give equal numbers.
        face_losses: whether there are losses that look at some of the examples alone.
    """

    strategy: str = "auto"
    precision: str = "float32"
    xla: str = "auto"
    hosts: str | None = None
    host: int | None = None
    batch_size: int = 16
    parts: int | None = None
    deterministic: bool = False
    face_losses: bool = False


def refuse(rule, received, hint):
    raise StrategyError(f"{rule}; received {received}. {hint}.")


def check_machine(machine, backend, environ=os.environ):
    """Refuse choices that do not go together.

    Args:
        machine: ``Machine``.
        backend: ``tensorflow`` or ``jax``.
        environ: the environment's variables.

    Raises:
        StrategyError: names the rule, what was received, and the way out.
    """
    if backend not in ("tensorflow", "jax"):
        refuse("Training runs on TensorFlow or JAX", f"KERAS_BACKEND={backend}", "Set it to tensorflow or jax")
    if machine.strategy == "tpu" and machine.precision == "mixed_float16":
        refuse(TPU_PRECISION, "--strategy tpu --precision mixed_float16", "Use that, or float32")
    if backend == "jax":
        check_jax(machine)
    else:
        check_tensorflow(machine, environ)


def check_jax(machine):
    if machine.strategy == "mirrored":
        refuse("MirroredStrategy is TensorFlow's", "--strategy mirrored with KERAS_BACKEND=jax",
               "With JAX, --strategy auto uses all devices of all hosts")
    if machine.xla == "off":
        refuse("JAX compiles every step by XLA", "--xla off with KERAS_BACKEND=jax", "Leave --xla out")
    if (machine.hosts is None) != (machine.host is None):
        refuse("--hosts and --host belong together", f"--hosts {machine.hosts} --host {machine.host}", "Give both")
    if machine.hosts is not None and machine.strategy == "one":
        refuse("Several hosts train together on all their devices", "--hosts with --strategy one",
               "Use --strategy auto")


def check_tensorflow(machine, environ):
    if machine.hosts is not None or "TF_CONFIG" in environ:
        refuse("Several hosts train with the JAX backend: fit of Keras 3 fails under MultiWorkerMirroredStrategy "
               "(keras issue 20585)", "--hosts" if machine.hosts else "TF_CONFIG in the environment",
               "Set KERAS_BACKEND=jax, or unset TF_CONFIG to train on this host alone")
    if machine.xla == "on" and machine.strategy == "mirrored":
        refuse("Keras cannot compile a step by XLA under MirroredStrategy", "--xla on --strategy mirrored",
               "Leave --xla out, or train on one device, or with KERAS_BACKEND=jax")
    if machine.xla == "on" and machine.strategy == "tpu":
        refuse("A TPU compiles every step by itself", "--xla on --strategy tpu", "Leave --xla out")


def check_replicas(machine, replicas):
    """Refuse choices that the number of replicas rules out. XLA and several replicas: see ``check_tensorflow``."""
    received = f"--batch-size {machine.batch_size} on {replicas} replicas"
    if machine.batch_size % replicas:
        refuse("Every replica takes the same number of examples", received, f"Use a multiple of {replicas}")
    if keras.backend.backend() != "tensorflow":
        return  # Under JAX every loss sees the whole batch, and XLA compiles for all replicas.
    if machine.face_losses and replicas > 1 and machine.batch_size // replicas % FACES_EVERY:
        refuse(f"Face losses judge one example of {FACES_EVERY}, on every replica the same ones as on one",
               received, f"Use a multiple of {FACES_EVERY * replicas}")
    if machine.xla == "on" and replicas > 1:
        refuse("Keras cannot compile a step by XLA under MirroredStrategy", f"--xla on and {replicas} replicas",
               "Leave --xla out, or use --strategy one, or KERAS_BACKEND=jax")


def count_parts(machine):
    """How many parts a batch has: one a host, unless something else was asked for."""
    hosts = len(machine.hosts.split(",")) if machine.hosts else 1
    parts = machine.parts or hosts
    if parts != hosts and hosts > 1:
        refuse("Each of several hosts makes one part of every batch", f"--parts {parts} and {hosts} hosts",
               f"Use --parts {hosts}; one host alone can make any number")
    return parts


def spread_over_jax(machine):
    """On the JAX backend: join the hosts and spread batches over all devices.

    Returns: a context that does nothing, and the number of replicas; the distribution stays set.
    """
    if machine.hosts is not None:
        addresses = machine.hosts.split(",")
        if not 0 <= machine.host < len(addresses):
            refuse("--host counts the addresses of --hosts from 0", f"--host {machine.host} of {len(addresses)}",
                   "Mend it")
        keras.distribution.initialize(addresses[0], len(addresses), machine.host)
    devices = keras.distribution.list_devices()
    if machine.strategy == "tpu" and not any(name.startswith("tpu") for name in devices):
        refuse("--strategy tpu needs a TPU that JAX sees", f"the devices {', '.join(devices)}",
               "Install jax[tpu] on a TPU machine, or leave --strategy out")
    if machine.deterministic and any(name.startswith(("gpu", "cuda")) for name in devices):
        if "--xla_gpu_deterministic_ops=true" not in os.environ.get("XLA_FLAGS", ""):
            refuse("On GPUs JAX is deterministic only if XLA is told before it starts", "--deterministic alone",
                   "Set XLA_FLAGS=--xla_gpu_deterministic_ops=true")
    if machine.strategy == "one" or len(devices) < 2:
        return contextlib.nullcontext(), 1
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False))
    return contextlib.nullcontext(), len(devices)
