"""``keras-uncover doctor``: is this installation whole, and does it answer right?"""

import importlib.util
import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata, resources

from keras_uncover.backend import OWN, BackendError, check_backend, chosen_backend, read_settings, settings_file
from keras_uncover.cli.common import DEFAULT_PRESET, DONE, FAILED, USAGE, WEIGHTS, add_command, say
from keras_uncover.escapes import to_json

OK, NOTE, FAIL = "ok", "note", "FAIL"
NEEDED = ("keras", "numpy", "pillow", "opencv-python-headless", "matplotlib", "h5py")
EXTRAS = {"demo": "gradio", "data": "tensorflow_datasets", "serve": "tensorflow_serving", "onnx": "onnxruntime"}
MODULES = {"pillow": "PIL", "opencv-python-headless": "cv2"}
MEMORY = 2 * 1024**3  # bytes that answering takes at most
SETTINGS = "keras settings"


def add(commands):
    """Add the command to the parser of all."""
    parser = add_command(
        commands,
        "doctor",
        "check the installation, weights, devices and memory, and answer a bundled photo",
        "Check packages, the hash of every weights file, backend, devices and memory, and answer a\n"
        "bundled photo, whose answer is known. Asks nothing outside of this machine.",
        "examples:\n  keras-uncover doctor\n  keras-uncover doctor --quick --json\n"
        "\nexit codes:\n  0  sound, with notes perhaps\n  1  a check failed\n"
        "  2  Keras's settings name a backend that this does not run on\n  4  weights are missing or altered\n",
    )
    parser.add_argument("--quick", action="store_true", help="without the backend and the self-test, in a second")
    parser.add_argument("--json", action="store_true", help="write one JSON object a check and line to stdout")
    parser.add_argument(
        "--preset", default=DEFAULT_PRESET, metavar="NAME|DIR", help="weights of the self-test (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(arguments):
    """Make the checks and tell each as it is done; returns the exit code."""
    failed = []
    for check in checks(arguments.preset, arguments.quick):
        if arguments.json:
            print(to_json(check.as_dict()), flush=True)
        else:
            say(f"{check.state:5} {check.name}: {check.words}")
        if check.state == FAIL:
            failed.append(check.name)
    if not arguments.json:
        say(f"failed: {', '.join(failed)}" if failed else "sound")
    if any(name.startswith("weights") for name in failed):
        return WEIGHTS
    if SETTINGS in failed:
        return USAGE
    return FAILED if failed else DONE


@dataclass(frozen=True)
class Check:
    """One check: its name, ``state`` (``ok``, ``note`` or ``FAIL``) and words on what was found."""

    name: str
    state: str
    words: str

    def as_dict(self):
        """As plain data."""
        return asdict(self)


def checks(preset, quick=False):
    """Yield a ``Check`` at a time, the cheap ones first.

    Args:
        preset: whose answer the self-test asks for.
        quick: leave out what loads the backend.
    """
    from keras_uncover.presets import shipped_configs

    yield check_python()
    yield from map(check_package, NEEDED)
    yield check_extras()
    yield check_memory()
    settings = check_settings()
    yield settings
    sound = True
    for name in shipped_configs():
        found = check_weights(name)
        sound = sound and found.state == OK
        yield found
    if quick:
        return
    backend = settings
    if settings.state != FAIL:
        backend = check_devices()
        yield backend
    if backend.state == FAIL or not sound:
        yield Check("self-test", FAIL, "not made, because of what failed above")
        return
    yield check_answer(preset)


def check_python():
    """The interpreter, and where this package lies."""
    state = OK if sys.version_info >= (3, 11) else FAIL
    place = f"{platform.system()} {platform.machine()}, package in {resources.files('keras_uncover')}"
    return Check("python", state, f"{platform.python_version()} on {place}")


def check_package(name):
    """A package that is needed: its version, or that it is missing."""
    if importlib.util.find_spec(MODULES.get(name, name)) is None:
        return Check(f"package {name}", FAIL, f"not installed; python -m pip install {name}")
    try:
        return Check(f"package {name}", OK, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Check(f"package {name}", OK, "there, from another distribution than the usual one")


def check_extras():
    """Which extras are installed; none is needed to answer."""
    there = {extra: importlib.util.find_spec(module) is not None for extra, module in EXTRAS.items()}
    words = ", ".join(f"[{extra}] {'yes' if found else 'no'}" for extra, found in there.items())
    return Check("extras", OK, words)


def check_memory():
    """Memory of the machine, and processors that this process may use."""
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    words = f"{total / 1024**3:.1f} GiB, {free / 1024**3:.1f} free; {len(os.sched_getaffinity(0))} processors"
    if total < MEMORY:
        return Check("memory", NOTE, f"{words}; answering takes up to {MEMORY / 1024**3:.0f} GiB")
    return Check("memory", OK, words)


def check_weights(name):
    """A shipped preset's files against their hashes."""
    from keras_uncover.presets import preset_folder
    from keras_uncover.presets.weights import WEIGHTS as WEIGHTS_FILE
    from keras_uncover.presets.weights import WeightsError, load_verified, read_manifest

    try:
        folder = preset_folder(name)
        load_verified(folder)
        return Check(f"weights {name}", OK, f"SHA-256 {read_manifest(folder)[WEIGHTS_FILE][:16]}... agrees")
    except WeightsError as error:
        return Check(f"weights {name}", FAIL, str(error))


def check_settings():
    """The user's settings of Keras: whether we run on the backend, and what of them is set aside."""
    try:
        check_backend()
        name, place = chosen_backend()
        found = read_settings()
    except BackendError as error:
        return Check(SETTINGS, FAIL, str(error))
    aside = [f"{key} {found[key]}" for key, own in OWN.items() if found.get(key, own) != own]
    words = f"backend {name} from {place}"
    if aside:
        return Check(SETTINGS, NOTE, f"{words}; not used while answering: {', '.join(aside)} from {settings_file()}")
    return Check(SETTINGS, OK, words)


def check_devices():
    """Keras with its backend and devices."""
    from keras_uncover.process import hushed_start

    try:
        with hushed_start():
            import keras

            devices = keras.distribution.list_devices()
    except Exception as error:  # Whatever a broken installation of a backend raises on import.
        return Check("backend", FAIL, f"{type(error).__name__}: {error}")
    return Check("backend", OK, f"{keras.backend.backend()}, Keras {keras.__version__}, devices {', '.join(devices)}")


def check_answer(preset):
    """Answer the bundled photo and compare with what is recorded for these weights."""
    from keras_uncover.presets import preset_folder
    from keras_uncover.presets.weights import WeightsError
    from keras_uncover.process import hushed_start

    try:
        folder = preset_folder(preset)
        with hushed_start():
            from keras_uncover.inference import self_test  # loads the backend

            found = self_test.answer_sample(folder)
        expected = self_test.read_recorded(folder)
    except (WeightsError, ValueError) as error:
        return Check("self-test", FAIL, str(error))
    words = f"{preset} answered {self_test.SAMPLE.name}: p_fake {found['p_fake']:.4f}"
    if expected is None:
        return Check("self-test", NOTE, f"{words}; no answer is recorded for these weights to compare with")
    apart = self_test.differences(found, expected)
    if apart:
        return Check("self-test", FAIL, f"{words}; not as recorded: {'; '.join(apart)}")
    return Check("self-test", OK, f"{words}, as recorded")
