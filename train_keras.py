"""Train a classifier or a reconstructor from TFRecord shards or a packed bank.

    python train_keras.py SHARDS runs/detector --task classify --preset small
    python train_keras.py SHARDS runs/small --task reconstruct --preset small --init runs/detector
    python train_keras.py SHARDS runs/mixed --swap-pairs PAIRS --mix 0.3
    python train_keras.py SHARDS runs/small --resume
    KERAS_BACKEND=jax python train_keras.py bank.npz runs/jax

SHARDS is a folder written by ``python -m pipelines.portraits``, PAIRS one by ``python -m pipelines.swap_pairs``, whose
ready-made fakes are mixed with synthesised ones; or banks that ``python -m pipelines.bank`` packed from them. The run
folder holds run.json, history.csv, samples/, checkpoints/, best/ and model/, which ``keras-uncover predict --preset
runs/small`` reads. With --resume a run goes on, with its own settings, as if it had never been stopped.
docs/training.md tells more.
"""

import argparse
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from keras_uncover.backend import settle, settle_or_exit
from keras_uncover.cli.common import whole
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.process import open_closed_streams
from keras_uncover.refusals import end_in_words
from keras_uncover.swaps.family_names import FAMILIES

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

COUNT = whole(1, 10**9)  # a type of argparse


def make_parser():
    """The command line."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", help="folder of TFRecord shards, or a bank")
    parser.add_argument("run", help="new folder for the run")
    parser.add_argument("--task", choices=("classify", "reconstruct"), default="reconstruct")
    parser.add_argument("--preset", choices=("tiny", "small", "base"), default="small")
    parser.add_argument("--init", metavar="FOLDER",
                        help="run or preset to start from: its encoder and verdict, and decoders if it has them")
    parser.add_argument("--resume", action="store_true",
                        help="go on with the run, with the settings that it was started with")
    add_length(parser)
    add_data(parser)
    add_losses(parser)
    add_machine(parser)
    return parser


def add_length(parser):
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=COUNT, default=6000, help="steps, rounded up to whole epochs (%(default)s)")
    length.add_argument("--epochs", type=COUNT, help="epochs, instead of steps")
    parser.add_argument("--steps-per-epoch", type=COUNT, default=500,
                        help="steps between validations and checkpoints (%(default)s)")
    parser.add_argument("--batch-size", type=COUNT, default=16, help="examples a step, over all replicas (%(default)s)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="peak of the schedule (%(default)s)")
    parser.add_argument("--keep", type=COUNT, default=3,
                        help="newest checkpoints that stay, beside the best (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)


def add_data(parser):
    parser.add_argument("--genuine", type=float, default=0.25, help="share of genuine photos (%(default)s)")
    parser.add_argument("--swap-pairs", metavar="PAIRS", help="folder of ready-made fakes to mix in, or a bank of them")
    parser.add_argument("--mix", type=float, default=0.3, help="their share of the fakes (%(default)s)")
    parser.add_argument("--autoencoder", default="autoencoder", metavar="FOLDER",
                        help="preset or folder for swaps of the family resynth; none: without them (%(default)s)")
    parser.add_argument("--morphs", type=float, default=0.0, help="share of donors mixed of two people (%(default)s)")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="FAMILY", choices=FAMILIES,
                        help="families of swaps that are not trained on, to see later what they are taken for")
    parser.add_argument("--cache", default="memory", metavar="memory|none|PATH",
                        help="hold decoded records in memory, decode each every time, or unpack them into files "
                        "(%(default)s)")
    parser.add_argument("--parts", type=COUNT,
                        help="parts of a batch, donors apart; hosts share them (default: one a host)")


def add_losses(parser):
    words = "; a folder that scripts/convert_embedders.py wrote"
    parser.add_argument("--identity", metavar="FOLDER",
                        help="pull recovered faces to their people through this face descriptor" + words)
    parser.add_argument("--identity-weight", type=float, default=1.0, metavar="W", help="of that pull (%(default)s)")
    parser.add_argument("--perceptual", metavar="FOLDER",
                        help="compare recovered faces through this network's features" + words)
    parser.add_argument("--weigh", nargs="+", default=[], metavar="OUTPUT=WEIGHT",
                        help="weights of the reconstructor's losses by output, beside the usual ones: flow=0 seen=0")
    parser.add_argument("--freeze", nargs="+", default=[], metavar="LAYER",
                        help="layers that stay as --init gave them, such as shape_found, or with a star shape_*")


def add_machine(parser):
    parser.add_argument("--strategy", choices=("auto", "one", "mirrored", "tpu"), default="auto")
    parser.add_argument("--precision", choices=("float32", "mixed_bfloat16", "mixed_float16"), default="float32")
    parser.add_argument("--xla", choices=("auto", "on", "off"), default="auto",
                        help="compile the step (%(default)s: as Keras does)")
    parser.add_argument("--steps-per-execution", type=COUNT, default=1, help="steps handed over at once (%(default)s)")
    parser.add_argument("--deterministic", action="store_true",
                        help="the same weights every time, on one device to the bit")
    parser.add_argument("--hosts", metavar="ADDRESS:PORT,...", help="addresses of all hosts, the first leads (JAX)")
    parser.add_argument("--host", type=int, help="which of them this one is, from 0 (JAX)")


if __name__ == "__main__":
    open_closed_streams()
    make_parser().parse_args()  # Answers --help, or refuses the command line, before Keras is loaded.
    settle_or_exit("train_keras.py")

import keras  # noqa: E402

from keras_uncover.files import fingerprint_data  # noqa: E402
from keras_uncover.models import config  # noqa: E402
from keras_uncover.swaps.families import leave_out  # noqa: E402
from keras_uncover.training import compiling, run_folder, setup  # noqa: E402
from keras_uncover.training import strategy as strategies  # noqa: E402
from keras_uncover.training.face_losses import load_face_losses  # noqa: E402
from pipelines.checks import check_data  # noqa: E402
from pipelines.config import BatchConfig  # noqa: E402
from pipelines.damage import damage_named  # noqa: E402


def parse_arguments(arguments=None):
    """The options; those of a run that goes on are its own."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.resume:
        parser.set_defaults(**run_folder.read_settings(options.run))
        options = parser.parse_args(arguments)
    return options


def describe_machine(options):
    """On what the run is computed, as the command line says."""
    return strategies.Machine(
        strategy=options.strategy, precision=options.precision, xla=options.xla, hosts=options.hosts,
        host=options.host, batch_size=options.batch_size, parts=options.parts, deterministic=options.deterministic,
        face_losses=bool(options.identity or options.perceptual),
    )


def choose_strategy(options):
    """Where the model is built, and how many replicas take a share of each batch; refuses what does not go together.

    Here alone TensorFlow is touched: MirroredStrategy over all GPUs (or all logical devices, when asked for), or
    TPUStrategy.
    """
    if keras.backend.backend() == "jax":
        return strategies.spread_over_jax(describe_machine(options))
    import tensorflow as tf

    if options.deterministic:
        tf.config.experimental.enable_op_determinism()
    if options.strategy == "tpu":
        try:
            resolver = tf.distribute.cluster_resolver.TPUClusterResolver(os.environ.get("TPU_NAME", "local"))
            tf.config.experimental_connect_to_cluster(resolver)
            tf.tpu.experimental.initialize_tpu_system(resolver)
        except (ValueError, tf.errors.OpError) as error:
            raise strategies.StrategyError(
                f"--strategy tpu needs a TPU and tensorflow-tpu; received: {str(error).splitlines()[0]:.120} "
                "Use KERAS_BACKEND=jax with jax[tpu], or leave --strategy out."
            ) from error
        strategy = tf.distribute.TPUStrategy(resolver)
        return strategy.scope(), strategy.num_replicas_in_sync
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if options.strategy == "one" or (options.strategy == "auto" and len(devices) < 2):
        return contextlib.nullcontext(), 1
    # The default all-reduce fails with several steps an execution.
    reduce = tf.distribute.HierarchicalCopyAllReduce() if options.steps_per_execution > 1 else None
    strategy = tf.distribute.MirroredStrategy([device.name for device in devices], cross_device_ops=reduce)
    return strategy.scope(), len(devices)


def configure_batches(options):
    """What the batches of this host are made of."""
    return BatchConfig(
        options.shards, options.batch_size, task=options.task, seed=options.seed, parts=options.parts,
        part=options.host, shares=leave_out(options.leave_out), morph_share=options.morphs,
        autoencoder=None if options.autoencoder == "none" else options.autoencoder, genuine_share=options.genuine,
        swap_pairs=options.swap_pairs, mix=options.mix,
    )


def choose_loader(batch_config, cache):
    """Function of a split, and the step that it begins at, to its batches; ``cache`` as the command line has it."""
    if keras.backend.backend() == "jax":
        from pipelines.stream import stream as load

        reading = {}
    else:
        from pipelines.load import load  # It imports TensorFlow.

        reading = {"cache": {"memory": True, "none": False}.get(cache, cache)}

    def open_split(split, start=0):
        return load(batch_config, split, training=split == "train", start=start, **reading)

    return open_split


def build(options, plan, batch=None):
    """The compiled model, its optimizer ready, from --init if there is one. batch: one as the data are, of any values,
    with which its losses and metrics are made ready, too.
    """
    keras.config.set_dtype_policy(options.precision)
    setup.seed_everything(options.seed)
    model = setup.build_model(options.task, config.model_config(options.preset))
    if options.init and not options.resume:
        setup.start_from(model, options.init)
    how = {"jit_compile": {"auto": "auto", "on": True, "off": False}[options.xla]}
    how.update(steps_per_execution=plan.per_call)
    setup.freeze_layers(model, options.freeze)
    faces = load_face_losses(options.identity, options.perceptual, options.identity_weight)
    weights = compiling.read_weights(options.weigh, options.task)
    compiling.compile_model(model, options.task, plan.steps, options.learning_rate, faces, weights, **how)
    compiling.prepare_state(model, batch)
    return model


def train(model, options, plan, note, data, folder):
    """Fit from a checkpoint, or from the beginning. folder: of the run, or any new one on hosts but the first."""
    open_split, batches, validation = data
    setup.resume_state(model, options.run, note)
    settings = setup.run_config(options.task, config.model_config(options.preset), folder.name, vars(options))
    if options.host:
        writing = setup.following_callbacks(folder, settings, note, plan)
    else:
        # Several hosts would all have to draw: a network that is spread over them answers only when all ask.
        samples = setup.first_batch(validation) if options.task == "reconstruct" and options.hosts is None else None
        writing = setup.writing_callbacks(folder, settings, note, plan, samples)

    def batch_at(step):
        return setup.first_batch(open_split("train", step))

    if note["step"] < plan.steps:
        model.fit(
            batches,
            validation_data=validation,
            initial_epoch=note["epoch"],
            epochs=plan.epochs,
            steps_per_epoch=plan.per_epoch,
            shuffle=False,  # the data are; Keras would warn that it cannot
            callbacks=setup.callbacks(plan, batch_at, None if options.host else folder, writing),
        )


def main(arguments=None):
    open_closed_streams()
    options = parse_arguments(arguments)
    settle()
    plan = setup.Plan.of(
        options.steps, options.epochs, options.steps_per_epoch,
        batch_size=options.batch_size, per_call=options.steps_per_execution, keep=options.keep,
    )
    machine = describe_machine(options)
    strategies.check_machine(machine, keras.backend.backend())
    options.parts = strategies.count_parts(machine)  # Which the run's settings hold.
    scope, replicas = choose_strategy(options)
    strategies.check_replicas(machine, replicas)
    note = setup.find_note(options.run) if options.resume else setup.BEGINNING
    batch_config = configure_batches(options)
    check_data(batch_config, config.model_config(options.preset).size)
    open_split = choose_loader(batch_config, options.cache)
    data = open_split, open_split("train", note["step"]), open_split("validation")
    places = {name: getattr(options, name) for name in ("shards", "swap_pairs")}
    prints = {name: fingerprint_data(path) for name, path in places.items() if path}
    # Replicas and JAX make ready by themselves.
    plain = replicas == 1 and keras.backend.backend() == "tensorflow"
    with scope:
        model = build(options, plan, compiling.blank_batch(data[2]) if plain else None)
    with damage_named(*filter(None, places.values()), unpacked=options.cache):
        if options.host:  # The first host writes the run's folder.
            with tempfile.TemporaryDirectory() as folder:
                train(model, options, plan, note, data, Path(folder))
            return
        run_folder.check_room(options.run, model, plan.keep)
        # Only now, so that a start that fails does not use the run's name up.
        with run_folder.open_run(options.run, vars(options), prints, options.resume) as folder:
            train(model, options, plan, note, data, folder)
    print(for_stdout(f"{options.run}: done; keras-uncover predict PHOTO --preset {options.run}"))


if __name__ == "__main__":
    sys.exit(end_in_words("train_keras.py", main))
