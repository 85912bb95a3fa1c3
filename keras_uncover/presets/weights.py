"""Preset folders: a configuration, its weights, and a manifest that says what both must hash to.

A folder holds ``config.json``, ``model.weights.h5``, ``manifest.json`` and, when it is published, ``card.md``. Nothing
is read before its SHA-256 agrees with the manifest, so an altered or half-copied file is found before it is used.
"""

import json
import os
import tempfile

import h5py
import numpy as np

from keras_uncover.files import hash_bytes, new_folder
from keras_uncover.overwriting import OverwriteError
from keras_uncover.presets.arrays import check_arrays
from keras_uncover.refusals import Refusal

CONFIG, WEIGHTS, MANIFEST = "config.json", "model.weights.h5", "manifest.json"
MAX_BYTES = 64 * 1024 * 1024
PACKED_FROM = 4096  # values of an array


class WeightsError(Refusal, RuntimeError):
    """A preset folder that cannot be trusted or read.

    Attributes:
        rule, received, hint: what must hold, what was found, and the way out; the message joins the three.
    """

    exit_code = 4

    def __init__(self, rule, received, hint):
        super().__init__(f"{rule} Received: {received}. {hint}")
        self.rule, self.received, self.hint = rule, received, hint


_COPY_AGAIN = "Copy the preset folder again from where it was published, or install the package again."


def _read_checked(folder, name):
    """Bytes of ``folder/name``, refused if absent or too large."""
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        raise WeightsError(f"A preset folder must hold {name}.", f"no such file: {path}", _COPY_AGAIN)
    size = os.path.getsize(path)
    if size > MAX_BYTES:
        raise WeightsError(
            f"A preset file must not exceed {MAX_BYTES} bytes.", f"{path}, {size} bytes", "This is no preset file."
        )
    with open(path, "rb") as file:
        return file.read()


def _read_json(data, path):
    try:
        value = json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WeightsError("A preset's JSON file must be readable.", f"{path}: {error}", _COPY_AGAIN) from error
    if not isinstance(value, dict):
        raise WeightsError("A preset's JSON file must hold an object.", f"{path}: {value!r:.80}", _COPY_AGAIN)
    return value


def _refuse_constant(name):
    """JSON has neither NaN nor infinity; Python reads them by default."""
    raise ValueError(f"{name} is no number of JSON")


def read_manifest(folder):
    """``{file name: SHA-256}``, at least for the configuration and the weights, with plain file names only."""
    path = os.path.join(folder, MANIFEST)
    listed = _read_json(_read_checked(folder, MANIFEST), path)
    for name in (CONFIG, WEIGHTS):
        if name not in listed:
            raise WeightsError(f"{MANIFEST} must list {name}.", f"{path} with {sorted(listed)}", _COPY_AGAIN)
    for name, digest in listed.items():
        if name != os.path.basename(name) or name in ("", ".", ".."):
            raise WeightsError(f"{MANIFEST} must list files of its own folder.", f"{name!r}", _COPY_AGAIN)
        if not isinstance(digest, str) or len(digest) != 64:
            raise WeightsError(f"{MANIFEST} must give SHA-256 in hex.", f"{name}: {digest!r:.80}", _COPY_AGAIN)
    return listed


def load_verified(folder):
    """Check every file that the manifest lists and return the configuration.

    Args:
        folder: path of a preset folder.

    Returns: the dict in ``config.json``.

    Raises:
        WeightsError: a file is missing, too large, altered, or not what it should be.
    """
    folder = os.fspath(folder)
    if not os.path.isdir(folder):
        raise WeightsError("A preset must be a folder.", f"no such folder: {folder}", "Give a preset's name or folder.")
    config = None
    for name, expected in read_manifest(folder).items():
        data = _read_checked(folder, name)
        received = hash_bytes(data)
        if received != expected.lower():
            path = os.path.join(folder, name)
            rule = f"{name} must have the SHA-256 that {MANIFEST} gives ({expected[:12]}...)."
            raise WeightsError(rule, f"{path} with {received[:12]}...", f"The file was altered. {_COPY_AGAIN}")
        if name == CONFIG:
            config = _read_json(data, os.path.join(folder, CONFIG))
    return config


def load_weights(model, folder, config=None):
    """Fill a built model from a preset folder, after ``load_verified``; every shape must fit.

    Args:
        model: built as the folder's configuration says.
        folder: path of a preset folder.
        config: what ``load_verified`` returned of this folder just now, so that nothing is hashed twice; None calls it.

    Returns: the preset's configuration.

    Raises:
        WeightsError: as ``load_verified``, or the weights are not those of this model.
    """
    config = load_verified(folder) if config is None else config
    path = os.path.join(os.fspath(folder), WEIGHTS)
    try:
        check_arrays(path)
        model.load_weights(path)
    except Exception as error:  # HDF5 and Keras raise a dozen types on a file that is not what it should be.
        rule = f"The weights must fit the model {model.name!r}, layer by layer."
        raise WeightsError(rule, f"{path}: {error}", "Build the model from the folder's config.json.") from error
    return config


def _halve(whole, halved, packed):
    """Copy a weights file with its float32 arrays as float16, and large ones compressed where ``packed``.

    Keras casts what it reads to the variable's own dtype, so the file loads as before at half its size.
    """
    with h5py.File(whole, "r") as source, h5py.File(halved, "w") as copy:

        def carry(name, item):
            if isinstance(item, h5py.Group):
                target = copy.require_group(name)
            else:
                array = _to_half(name, item[()])
                # A small array in a chunk of its own takes more room than it saves.
                packing = {"compression": 9, "chunks": array.shape} if packed and array.size > PACKED_FROM else {}
                target = copy.create_dataset(name, data=array, **packing)
            for key, value in item.attrs.items():
                target.attrs[key] = value

        source.visititems(carry)
        for key, value in source.attrs.items():
            copy.attrs[key] = value


def _to_half(name, array):
    """As float16; as it is where float16 cannot hold a value, such as a large moving variance."""
    if array.dtype != np.float32:
        return array
    if not np.all(np.isfinite(array)):
        raise WeightsError(
            "Weights must be finite.", f"{name} with {np.sum(~np.isfinite(array))} values that are not",
            "Look for a training run that diverged.",
        )
    return array.astype(np.float16) if np.all(np.abs(array) <= np.finfo(np.float16).max) else array


def save_preset(model, folder, config, half=True, packed=False):
    """Write ``config.json``, ``model.weights.h5`` and ``manifest.json``; other files of the folder are kept.

    The files are written into a temporary folder beside it, which then takes the old one's place: whoever reads meets
    either the old preset or the new one.

    Args:
        model: a built Keras model.
        folder: path; its parents are made.
        config: a dict that JSON can hold.
        half: store float32 arrays as float16.
        packed: compress what was halved: for arrays of few different values, such as weights that were once quantised.

    Raises: OverwriteError where the folder holds files of these names and is no preset.
    """
    _check_preset_or_none(folder)
    with new_folder(folder, copied=True) as fresh:
        _write_json(fresh, CONFIG, config)
        if half:
            with tempfile.TemporaryDirectory(dir=fresh) as whole:
                model.save_weights(os.path.join(whole, WEIGHTS))
                _halve(os.path.join(whole, WEIGHTS), os.path.join(fresh, WEIGHTS), packed)
        else:
            model.save_weights(os.path.join(fresh, WEIGHTS))
        _write_json(fresh, MANIFEST, {name: _digest(fresh, name) for name in (CONFIG, WEIGHTS)})


def save_config(folder, config):
    """Rewrite a preset's ``config.json`` and its hash in the manifest, in one step; every other file stays as it is.

    Args:
        folder: path of a preset folder.
        config: a dict that JSON can hold.

    Raises:
        WeightsError: as ``load_verified``: an altered folder must not get a new hash.
    """
    load_verified(folder)
    with new_folder(folder, copied=True) as fresh:
        _write_json(fresh, CONFIG, config)
        _write_json(fresh, MANIFEST, {**read_manifest(fresh), CONFIG: _digest(fresh, CONFIG)})


def _check_preset_or_none(folder):
    """Refuse a folder whose files have a preset's names, but that is none: they are somebody else's."""
    there = [name for name in (CONFIG, WEIGHTS, MANIFEST) if os.path.lexists(os.path.join(folder, name))]
    try:
        if there:
            read_manifest(folder)
    except WeightsError as error:
        raise OverwriteError(
            f"A preset is written into a new folder or over another preset; received {folder}, which is none and holds "
            f"{', '.join(there)}. Choose another folder."
        ) from error


def _write_json(folder, name, value):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def _digest(folder, name):
    return hash_bytes(_read_checked(folder, name))
