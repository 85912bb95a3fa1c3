"""What travels in ``assets.extra/`` of a version: the exact preset, cards, licence, and what must hash to what."""

import json
import shutil
from importlib import metadata
from pathlib import Path

import keras
import tensorflow as tf

from export.graph.headers import MAX_CHUNKS
from export.graph.jpeg import MAX_SEGMENTS
from export.signatures import MAX_FACES, PARALLEL_PHOTOS
from keras_uncover import __version__
from keras_uncover.files import hash_file
from keras_uncover.images.decode import MAX_BYTES, MAX_PIXELS, MAX_SIDE, MIN_SIDE
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import WEIGHTS, read_manifest

ROOT = Path(__file__).parents[2]
EXTRA, RECORD = "assets.extra", "export.json"
PARTS = ("face_detector", "face_mesh", "judge")  # presets whose weights are in the model beside the one exported
LIMITS = {
    "max_bytes": MAX_BYTES, "max_pixels": MAX_PIXELS, "max_side": MAX_SIDE, "min_side": MIN_SIDE,
    "max_jpeg_segments": MAX_SEGMENTS, "max_png_or_webp_chunks": MAX_CHUNKS, "max_faces": MAX_FACES,
    "parallel_photos": PARALLEL_PHOTOS,
}


def copy_preset(preset, version):
    """Copy the preset's files, the cards of the other networks and the licence into a version's ``assets.extra/``."""
    extra, source = Path(version) / EXTRA, preset_folder(preset)
    (extra / "preset").mkdir(parents=True)
    for name in [*read_manifest(source), "manifest.json", "card.md"]:
        if (source / name).is_file():
            shutil.copyfile(source / name, extra / "preset" / name)
    (extra / "cards").mkdir()
    for name in PARTS:
        shutil.copyfile(preset_folder(name) / "card.md", extra / "cards" / f"{name}.md")
    shutil.copyfile(ROOT / "LICENSE", extra / "LICENSE")


def write_record(preset, uncoverer, version):
    """Write ``export.json``: whose answers these are, by which versions and limits, and the hash of every file."""
    version = Path(version)
    files = sorted(path for path in version.rglob("*") if path.is_file())
    record = {
        "format": 1,
        "model": uncoverer.name,
        "crop": uncoverer.size,
        "threshold": uncoverer.threshold,
        "band": uncoverer.band,
        "weights_sha256": {
            name: read_manifest(preset_folder(folder))[WEIGHTS]
            for name, folder in [("preset", preset), *((part, part) for part in PARTS)]
        },
        "limits": LIMITS,
        "made_with": {"keras_uncover": __version__, "tensorflow": tf.__version__, "keras": keras.__version__,
                      "tensorflow-serving-api": installed("tensorflow-serving-api")},
        "files": {path.relative_to(version).as_posix(): hash_file(path) for path in files},
    }
    (version / EXTRA / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def installed(name):
    """The installed version of a package, or None."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
