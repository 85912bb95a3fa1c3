"""Checks of an installation: what it is made of, whether its weights are whole, and whether it still answers right."""

import importlib.util
import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib import metadata, resources

from keras_uncover.backend import OWN, BackendError, check_backend, chosen_backend, read_settings, settings_file
from keras_uncover.presets import preset_folder, shipped_configs
from keras_uncover.presets.weights import WEIGHTS, WeightsError, load_verified, read_manifest

OK, NOTE, FAIL = "ok", "note", "FAIL"
NEEDED = ("keras", "numpy", "pillow", "opencv-python-headless", "matplotlib", "h5py")
EXTRAS = {"demo": "gradio", "data": "tensorflow_datasets", "serve": "tensorflow_serving", "onnx": "onnxruntime"}
MODULES = {"pillow": "PIL", "opencv-python-headless": "cv2"}
MEMORY = 2 * 1024**3  # bytes that answering takes at most
SETTINGS = "keras settings"


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
    try:
        folder = preset_folder(name)
        load_verified(folder)
        return Check(f"weights {name}", OK, f"SHA-256 {read_manifest(folder)[WEIGHTS][:16]}... agrees")
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
