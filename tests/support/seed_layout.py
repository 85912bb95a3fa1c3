"""A data set of ready-made fakes in the seed paper's layout, made by the project's own swap."""

import shutil
from pathlib import Path

import cv2
import numpy as np
from keras import ops
from shard_files import SIZE, save

from keras_uncover.images.decode import decode_image, read_bytes
from keras_uncover.ops.geometry import invert_transform, sample, transform_points
from keras_uncover.swaps.synthesis import DRAWS, make_swaps
from pipelines.build.screening import load_finder
from pipelines.portraits.record import make_record

PORTRAITS = Path(__file__).parents[1] / "data" / "portraits"
# (split folder, fake, portrait of the target, portrait of the donor); a_b is a name with an underscore.
FAKES = [
    ("train", "p0_Zoé.png", "p0", "p1"),
    ("train", "Zoé_a_b.webp", "p1", "p2"),
    ("train", "a_b_p0.jpg", "p2", "p0"),
    ("valid", "p3_p4.png", "p3", "p4"),
    ("test", "p5_p6.png", "p5", "p6"),
    ("test", "한_p5.png", "p7", "p5"),
]
IDS = {"p1": "Zoé", "p2": "a_b", "p7": "한"}


def read_people():
    """Photo, face and record of each test portrait, by its name."""
    found = {}
    for path in sorted(PORTRAITS.glob("*.jpg")):
        photo = decode_image(read_bytes(path))
        face = load_finder().find(photo)[0]
        found[path.stem] = (photo, face, make_record(photo, face, SIZE))
    return found


def swap_faces(targets, donors):
    """Whole-face swaps of full strength in one batch: crops of fakes beside their masks ``(n, size, size, 4)``."""
    scales = {"crop": 255, "texture": 255, "hull": 255, "uv": 65535, "points": 1}
    batches = [{key: np.stack([record[key] for _, _, record in each]).astype("float32") / np.float32(scale)
                for key, scale in scales.items()} for each in (targets, donors)]
    draws = np.random.default_rng(0).random((len(targets), DRAWS), "float32")
    swap = make_swaps(*batches, ops.convert_to_tensor(draws), {"mesh": 1.0}, plain=True)
    return ops.convert_to_numpy(ops.concatenate([swap["input"], swap["mask"]], axis=-1))


def paste(crop, photo, matrix):
    """A swapped crop and its mask laid over the photo at the photo's resolution: fake and true mask, uint8."""
    height, width = photo.shape[:2]
    xs, ys = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    points = np.stack([xs, ys], -1).reshape(1, -1, 2).astype("float32")
    places = transform_points(invert_transform(matrix[None]), points) * SIZE
    layer = ops.convert_to_numpy(sample(crop[None], places, border="zero")).reshape(height, width, 4)
    mask = layer[..., 3:]
    fake = np.round(photo * (1 - mask) + 255 * layer[..., :3] * mask).clip(0, 255).astype("uint8")
    return fake, np.round(255 * mask).astype("uint8")


def cut_out(photo, face, spread):
    """Alpha of a face and ``spread`` times its surroundings, uint8 0 or 255."""
    points = face.points[:468, :2]
    grown = points.mean(0) + (points - points.mean(0)) * spread
    hull = cv2.convexHull(grown.round().astype("int32"))
    return cv2.fillConvexPoly(np.zeros(photo.shape[:2], "uint8"), hull, 255)


def write_seed_layout(folder, people):
    """Write train, valid and test with ``FAKES``; ``masks/`` holds the true ones.

    Donors are on nothing (alpha) but for valid, where they are on black. One person of test is in train, too.
    """
    crops = swap_faces([people[target] for *_, target, _ in FAKES], [people[donor] for *_, donor in FAKES])
    for crop, (part, name, target, donor) in zip(crops, FAKES):
        fake, mask = paste(crop, people[target][0], people[target][2]["crop_to_photo"])
        options = {".jpg": {"quality": 92}, ".webp": {"lossless": True}}.get(Path(name).suffix, {})
        save(folder / part / "df" / name, fake, **options)
        save(folder / "masks" / f"{name}.png", mask[..., 0])
        write_target(folder / part / "src", target, people[target][0])
        write_donor(folder / part, donor, *people[donor][:2])
    shutil.copy(folder / "test" / "src" / "p5.jpg", folder / "train" / "src" / "p5.jpg")
    shutil.copy(folder / "train" / "df" / "p0_Zoé.png", folder / "train" / "df" / "p5_Zoé.png")


def write_target(folder, name, photo):
    """The photo that was edited: as it is, but for one that is stored as PNG."""
    folder.mkdir(exist_ok=True)
    if name == "p3":
        save(folder / "p3.PNG", photo)
    else:
        shutil.copy(PORTRAITS / f"{name}.jpg", folder / f"{IDS.get(name, name)}.jpg")


def write_donor(folder, name, photo, face):
    """The person who was pasted in, without background."""
    if folder.name == "valid":
        save(folder / "segmented_face" / f"{name}.png", photo * (cut_out(photo, face, 1.1)[..., None] > 0))
    else:
        pixels = np.concatenate([photo, cut_out(photo, face, 1.5)[..., None]], -1)
        save(folder / "src_remb" / f"{IDS.get(name, name)}.png", pixels)
