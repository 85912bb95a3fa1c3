"""Train the classifier on one accelerator in a stated number of minutes, on JAX.

    python -m scripts.train_on_one_gpu packs/train.npz OUT --minutes 9 --start lite0.npz
    JAX_PLATFORMS=cpu python -m scripts.train_on_one_gpu packs/train.npz OUT --steps 20 --pairs 4

packs/train.npz is written by scripts/pack_faces.py: portraits and photographs cut to 5 eye distances, with their
points. Swaps and what happens to photos afterwards are made on the device, a photo and its own fake side by side in
every batch. The rate, the shares of the families and the end of the training follow the clock. Averaged weights of the
classifier are written to OUT/weights_*.npz at the given parts of the time; --start takes such a file up again.

All of it is one file, although a long one: its programs are JAX's own, and the library names no backend.
"""

import argparse
import concurrent.futures
import functools
import json
import os
import sys
import time

from keras_uncover.escapes import Parser
from keras_uncover.refusals import end_in_words

SAVED_AT = (0.25, 0.4, 0.55, 0.7, 0.85, 1.0)


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pack", help="file of scripts/pack_faces.py")
    parser.add_argument("out", help="folder for weights and log")
    parser.add_argument("--minutes", type=float, default=9.0, help="from the program's start to its end (%(default)s)")
    parser.add_argument("--steps", type=int, help="stop after so many steps, whatever the time")
    parser.add_argument("--pairs", type=int, default=64, help="photos a step, each with its fake (%(default)s)")
    parser.add_argument("--size", type=int, default=256, help="pixels of the crop that is judged (%(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate (%(default)s)")
    parser.add_argument("--decay", type=float, default=2e-2, help="AdamW's weight decay (%(default)s)")
    parser.add_argument("--start", help="weights to start from, an .npz by path")
    parser.add_argument("--full", dest="half", action="store_false", help="float32 throughout, not bfloat16")
    parser.add_argument("--depthwise", choices=("auto", "keras", "sums"), default="auto", help="filtering of channels")
    parser.add_argument("--curriculum", type=float, default=0.3, help="part of the time until all families are there")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-at", type=float, nargs="*", default=SAVED_AT, help="parts of the time")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    os.environ["KERAS_BACKEND"] = "jax"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from keras_uncover.evaluation import ranking  # noqa: E402
from keras_uncover.models.evidence import MAP_STRIDE, build_evidence_classifier  # noqa: E402
from keras_uncover.models.painters import build_coarse_painter, build_fine_painter, painting_loss  # noqa: E402
from keras_uncover.presets.by_path import fill_by_path, save_by_path  # noqa: E402
from keras_uncover.swaps.afterlife import AFTERLIFE_DRAWS, FIRST_LIFE_DRAWS, age, first_life  # noqa: E402
from keras_uncover.swaps.draws import Uniforms  # noqa: E402
from keras_uncover.swaps.tools import FAMILIES, IMITATION_DRAWS, imitate  # noqa: E402
from keras_uncover.swaps.variety import VARIETY_DRAWS, vary  # noqa: E402
from keras_uncover.swaps.warps import CONTROL  # noqa: E402
from pipelines.packs import chances, read_pack  # noqa: E402

AVERAGE = 0.998  # momentum of the averaged weights
SMOOTHING = 0.02  # of the labels
MAP_WEIGHT = 0.5
PAINTERS = ("fine", "coarse")
CANDIDATES = 6  # donors that one is chosen from


class ShiftedSums(keras.layers.DepthwiseConv2D):
    """A depthwise convolution as a sum of shifted pictures: XLA makes one loop of it, on some devices a faster one."""

    def call(self, inputs):
        kernel = ops.cast(self.kernel, inputs.dtype)[..., 0]
        side, stride = kernel.shape[0], self.strides[0]
        height, width = inputs.shape[1:3]
        rows, columns = -(-height // stride), -(-width // stride)
        down, across = ((n - 1) * stride + side - old for n, old in ((rows, height), (columns, width)))
        wide = ops.pad(inputs, ((0, 0), (down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0)))
        ends = (rows - 1) * stride + 1, (columns - 1) * stride + 1
        return sum(
            wide[:, y : y + ends[0] : stride, x : x + ends[1] : stride] * kernel[y, x]
            for y in range(side) for x in range(side)
        )


def time_depthwise(layer_class, pairs, half):
    """Milliseconds of two typical depthwise layers, forwards and backwards."""
    total = 0.0
    for side, kernel, channels in ((64, 3, 144), (32, 5, 240)):
        layer = layer_class(kernel, padding="same", use_bias=False, dtype="bfloat16" if half else "float32")
        kind = "bfloat16" if half else "float32"
        images = jax.random.normal(jax.random.key(0), (2 * pairs, side, side, channels), kind)
        layer.build(images.shape)

        def work(weights, images, layer=layer):
            return jnp.sum(layer.stateless_call(weights, [], images)[0].astype("float32") ** 2)

        run = jax.jit(jax.grad(work, argnums=(0, 1)))
        weights = [v.value.astype(images.dtype) for v in layer.trainable_variables]
        jax.block_until_ready(run(weights, images))
        start = time.time()
        for _ in range(5):
            answer = run(weights, images)
        jax.block_until_ready(answer)
        total += (time.time() - start) * 200.0
    return total


def choose_depthwise(options):
    """The faster way to filter channels on this device."""
    if options.depthwise != "auto":
        return {"keras": keras.layers.DepthwiseConv2D, "sums": ShiftedSums}[options.depthwise]
    times = {c: time_depthwise(c, options.pairs, options.half) for c in (keras.layers.DepthwiseConv2D, ShiftedSums)}
    print({c.__name__: round(t, 2) for c, t in times.items()}, "ms", flush=True)
    return min(times, key=times.get)


class State:
    """What a training carries from step to step, as one pytree, and the networks it belongs to."""

    def __init__(self, options, canvas):
        keras.config.set_dtype_policy("mixed_bfloat16" if options.half else "float32")
        self.networks = {
            "classifier": build_evidence_classifier(options.size, choose_depthwise(options)),
            "fine": build_fine_painter(canvas),
            "coarse": build_coarse_painter(canvas),
        }
        if options.start:
            filled = fill_by_path(self.networks["classifier"], options.start)
            print(f"{filled} arrays taken from {options.start}", flush=True)
        rates = {"classifier": options.rate, "fine": 1e-3, "coarse": 1e-3}
        self.optimizers = {
            name: keras.optimizers.AdamW(rates[name], weight_decay=options.decay if name == "classifier" else 0.0,
                                         global_clipnorm=1.0)
            for name in self.networks
        }
        self.values = {}
        for name, network in self.networks.items():
            self.optimizers[name].build(network.trainable_variables)
            self.values[name] = (
                [jnp.copy(v.value) for v in network.trainable_variables],
                [jnp.copy(v.value) for v in network.non_trainable_variables],
                [jnp.copy(v.value) for v in self.optimizers[name].variables],
            )
        self.rate_place = {
            name: next(k for k, v in enumerate(optimizer.variables) if v is optimizer._learning_rate)
            for name, optimizer in self.optimizers.items()
        }
        self.values["averaged"] = jax.tree.map(jnp.copy, list(self.values["classifier"][:2]))


def shares_at(progress, until):
    """Shares of the families: self-blended first, then crossed, then neural ones, all from ``until`` on."""
    later = jnp.clip(progress / max(until, 1e-6), 0.0, 1.0)
    own = 0.75 + later * (0.30 - 0.75)
    cross = 0.20 + later * (0.22 - 0.20)
    return own, cross, 1.0 - own - cross


def draw_batch(key, crops, points, weights, pairs):
    """Rows of targets and donors, drawn by their chances. Of six candidates the donor with the most alike pose is
    taken, never the target itself: faces turned to different sides make swaps that stick out.
    """
    first, second = jax.random.split(key)
    target = jax.random.choice(first, len(weights), (pairs,), p=weights)
    candidates = jax.random.choice(second, len(weights), (pairs, CANDIDATES), p=weights)
    held = points[:, np.array(CONTROL)]
    distance = jnp.mean(jnp.abs(held[candidates] - held[target][:, None]), axis=(2, 3))
    distance = jnp.where(candidates == target[:, None], jnp.inf, distance)
    donor = jnp.take_along_axis(candidates, jnp.argmin(distance, axis=1)[:, None], axis=1)[:, 0]
    return [{"crop": crops[rows].astype("float32") / 255.0, "points": points[rows]} for rows in (target, donor)]


def make_batch(key, progress, weights, data, *, state, pairs, size, curriculum=0.3):
    """Photos and their fakes, as a pure function of the key and of the painters' weights.

    Returns: pictures float32 ``(2 pairs, size, size, 3)``, photos first; regions float32 ``(pairs, size, size, 1)``;
    families int32 ``(pairs,)``; crops float32 ``(pairs / 2, canvas, canvas, 3)`` for the painters to learn from.
    """
    def painted(images):
        return [
            jnp.clip(state.networks[name].stateless_call(*weights[name], images)[0], 0.0, 1.0) for name in PAINTERS
        ]

    keys = jax.random.split(key, 8)
    target, donor = (
        vary(photo, Uniforms(jax.random.uniform(keys[4 + k], (pairs, VARIETY_DRAWS))))
        for k, photo in enumerate(draw_batch(keys[0], *data, pairs))
    )
    clean, noise = target["crop"], jax.random.normal(keys[7], target["crop"].shape)
    draw = Uniforms(jax.random.uniform(keys[6], (pairs, FIRST_LIFE_DRAWS)))
    target = {**target, "crop": first_life(clean, noise, draw)}
    draw = Uniforms(jax.random.uniform(keys[1], (pairs, IMITATION_DRAWS)))
    swap = imitate(target, donor, draw, shares_at(progress, curriculum), painted)
    noise = jax.random.normal(keys[2], target["crop"].shape)
    draw = Uniforms(jax.random.uniform(keys[3], (pairs, AFTERLIFE_DRAWS)))
    others = jnp.roll(donor["crop"], 1, axis=0)
    pictures, mask = age([target["crop"], swap["fake"]], swap["mask"], target["points"], others, noise, draw, size)
    return jnp.concatenate(pictures), mask, swap["family"], clean[: max(pairs // 2, 1)]


def binary_loss(logits, truth):
    return jnp.maximum(logits, 0.0) - logits * truth + jnp.log1p(jnp.exp(-jnp.abs(logits)))


def classifier_loss(trainable, fixed, network, pictures, mask):
    """Loss, and what is told: new statistics, logits and the two parts of the loss."""
    outputs, fixed = network.stateless_call(trainable, fixed, pictures, training=True)
    logits, seen = outputs["logit"][:, 0], outputs["map_logits"][..., 0]
    pairs = len(logits) // 2
    truth = jnp.concatenate([jnp.zeros(pairs), jnp.ones(pairs)])
    verdict = jnp.mean(binary_loss(logits, truth * (1.0 - SMOOTHING) + 0.5 * SMOOTHING))
    side = seen.shape[1]
    region = jnp.mean(jnp.reshape(mask, (pairs, side, MAP_STRIDE, side, MAP_STRIDE)), axis=(2, 4))
    region = jnp.concatenate([jnp.zeros_like(region), region])
    place = jnp.mean(binary_loss(seen, region))
    return verdict + MAP_WEIGHT * place, (fixed, logits, verdict, place)


def apply_gradients(state, name, held, gradients, fixed, rate):
    """One optimizer step of one network. held: trainable, other and optimizer's arrays; returns the same, renewed."""
    trainable, _, slots = held
    slots = list(slots)
    slots[state.rate_place[name]] = jnp.asarray(rate, slots[state.rate_place[name]].dtype)
    trainable, slots = state.optimizers[name].stateless_apply(slots, gradients, trainable)
    return list(trainable), list(fixed), list(slots)


def learn(held, averaged, pictures, mask, progress, rate, *, state):
    """One step of the classifier and of its averaged weights."""
    loss = jax.value_and_grad(classifier_loss, has_aux=True)
    (_, (fixed, logits, verdict, place)), gradients = loss(*held[:2], state.networks["classifier"], pictures, mask)
    held = apply_gradients(state, "classifier", held, gradients, fixed, rate)
    blend = jnp.minimum(AVERAGE, progress * 50.0)
    averaged = jax.tree.map(lambda a, b: a * blend + b * (1.0 - blend), averaged, list(held[:2]))
    return held, averaged, (verdict, place, logits)


def learn_to_paint(held, crop, *, state):
    """One step of both painters."""
    losses, renewed = [], {}
    for name in PAINTERS:
        def loss(trainable, name=name):
            return painting_loss(state.networks[name].stateless_call(trainable, held[name][1], crop)[0], crop)

        value, gradients = jax.value_and_grad(loss)(held[name][0])
        renewed[name] = apply_gradients(state, name, held[name], gradients, held[name][1], 1e-3)
        losses.append(value)
    return renewed, jnp.stack(losses)


class Steps:
    """The three programs of a step, compiled side by side before the first."""

    def __init__(self, state, data, options):
        make = functools.partial(
            make_batch, state=state, pairs=options.pairs, size=options.size, curriculum=options.curriculum
        )
        programs = {
            "make": jax.jit(make),
            "learn": jax.jit(functools.partial(learn, state=state), donate_argnums=(0, 1)),
            "paint": jax.jit(functools.partial(learn_to_paint, state=state), donate_argnums=0),
        }
        self.data, self.held = data, state.values
        # Not in TF32, to which GPUs round unless told: a variance is the small difference of two blurs.
        jax.config.update("jax_default_matmul_precision", "float32")
        number, key = jax.ShapeDtypeStruct((), "float32"), jax.random.key(0)
        pictures, mask, _, crop = jax.eval_shape(make, key, number, self.painters(), data)
        arguments = {
            "make": (key, number, self.painters(), data),
            "learn": (self.held["classifier"], self.held["averaged"], pictures, mask, number, number),
            "paint": ({name: self.held[name] for name in PAINTERS}, crop),
        }
        lowered = {name: program.lower(*arguments[name]) for name, program in programs.items()}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            self.programs = dict(zip(lowered, pool.map(compile_told, lowered.items())))

    def painters(self):
        return {name: tuple(self.held[name][:2]) for name in PAINTERS}

    def run(self, key, progress, rate):
        """One step; returns what is told of it, still on the device."""
        progress, rate = jnp.float32(progress), jnp.float32(rate)
        pictures, mask, family, crop = self.programs["make"](key, progress, self.painters(), self.data)
        held, averaged, told = self.programs["learn"](
            self.held["classifier"], self.held["averaged"], pictures, mask, progress, rate
        )
        painters, losses = self.programs["paint"]({name: self.held[name] for name in PAINTERS}, crop)
        self.held = {"classifier": held, "averaged": averaged, **painters}
        return (*told[:2], losses, told[2], family)


def compile_told(item):
    """Compile a lowered program and say how long it took."""
    name, lowered = item
    start = time.time()
    program = lowered.compile()
    print(f"compiled {name} in {time.time() - start:.1f} s", flush=True)
    return program


def save(state, values, path):
    """Write the averaged weights."""
    network = state.networks["classifier"]
    names = [v.path for v in network.trainable_variables], [v.path for v in network.non_trainable_variables]
    save_by_path(path, {n: a for part, held in zip(names, values["averaged"]) for n, a in zip(part, held)})


def tell(step, seen, progress, told, seconds, rate):
    """One line of the log from the last steps."""
    logits = np.stack([np.asarray(t[3], "float32") for t in told])
    family = np.stack([np.asarray(t[4]) for t in told])
    pairs = family.shape[1]
    genuine, fake = logits[:, :pairs], logits[:, pairs:]
    loss, place = (round(float(np.mean([t[k] for t in told])), 4) for k in (0, 1))
    line = {"step": step, "pictures": seen, "progress": round(progress, 3), "images_per_s": round(rate, 1),
            "loss": loss, "map": place, "painters": np.round(np.mean([t[2] for t in told], axis=0), 4).tolist(),
            "seconds": round(seconds, 1)}
    for number, name in enumerate(FAMILIES):
        if (family == number).any():
            line[name] = round(ranking.auc(genuine.ravel(), fake[family == number]), 4)
    line["pairs"] = round(float((fake > genuine).mean()), 4)
    print(json.dumps(line), flush=True)
    return line


class Clock:
    """How far a training is: by the time since its first step, or by the steps where their number is given."""

    def __init__(self, options, started):
        self.limit, self.steps, self.started = options.minutes * 60.0, options.steps, started
        self.first = None  # when the first step, with its compilation, was done
        self.mark = time.time()
        self.waiting = 0.0

    def progress(self, step):
        """From 0 to 1, and beyond where a step took longer than was left."""
        if self.steps is not None:
            return step / self.steps
        now = time.time() - self.started
        begin = self.first - self.started if self.first else now
        return (now - begin) / max(self.limit - begin, 1.0)

    def keep_pace(self, told):
        """Wait for the step before the last two, so that the clock is that of the device."""
        if self.first is None:
            jax.block_until_ready(told[-1])
            self.first = self.mark = time.time()
            print(f"first step after {self.first - self.started:.1f} s", flush=True)
        elif len(told) > 2:
            before = time.time()
            jax.block_until_ready(told[-3])
            self.waiting += time.time() - before

    def lap(self):
        """Seconds since the last lap."""
        span, self.mark = time.time() - self.mark, time.time()
        return max(span, 1e-3)

    def summary(self, step, pictures):
        """What a whole training took."""
        total = max(time.time() - (self.first or self.started), 1e-3)
        return {
            "steps": step, "pictures": pictures, "seconds": round(time.time() - self.started, 1),
            "images_per_s": round(pictures / total, 1), "waiting_for_device_share": round(self.waiting / total, 3),
        }


def rate_at(highest, progress):
    """The learning rate: up within a twentieth of the training, then down by a cosine to a hundredth."""
    return highest * min(progress / 0.05, 1.0) * (0.01 + 0.99 * 0.5 * (1.0 + np.cos(np.pi * progress)))


def train(state, steps, options, clock):
    """Train until the time is over or all steps are done; write averaged weights on the way.

    Returns: number of steps, lines of the log.
    """
    key, told, lines = jax.random.key(options.seed), [], []
    save_at, step, pictures = sorted(options.save_at), 0, 2 * options.pairs
    while True:
        progress = clock.progress(step)
        while save_at and progress >= save_at[0] and step:
            save(state, steps.held, os.path.join(options.out, f"weights_{save_at.pop(0):.2f}.npz"))
        if progress >= 1.0:
            break
        told.append(steps.run(jax.random.fold_in(key, step), progress, rate_at(options.rate, progress)))
        step += 1
        clock.keep_pace(told)
        if step % 50 == 0 or step == options.steps:
            jax.block_until_ready(told[-1])
            pace = len(told) * pictures / clock.lap()
            lines.append(tell(step, step * pictures, progress, told, time.time() - clock.started, pace))
            told = []
    if save_at:
        save(state, steps.held, os.path.join(options.out, f"weights_{save_at[-1]:.2f}.npz"))
    return step, lines


def main(arguments=None):
    """Read the pack, train, write weights and a log."""
    started = time.time()
    options = parse_arguments(arguments)
    os.makedirs(options.out, exist_ok=True)
    pack = read_pack(options.pack)
    crops, points = pack["crops"], pack["points"]
    print(f"{len(crops)} photos of {crops.shape[1]} px, {jax.devices()[0].device_kind}", flush=True)
    data = [jnp.asarray(x) for x in (crops, points, chances(pack["camera"]))]
    state = State(options, crops.shape[1])
    steps, clock = Steps(state, data, options), Clock(options, started)
    step, lines = train(state, steps, options, clock)
    summary = {**clock.summary(step, step * 2 * options.pairs), "options": vars(options)}
    with open(os.path.join(options.out, "log.json"), "w", encoding="utf-8") as file:
        json.dump({"summary": summary, "lines": lines}, file, indent=1)
    print(json.dumps(summary), flush=True)


if __name__ == "__main__":
    sys.exit(end_in_words("train_on_one_gpu", main))
