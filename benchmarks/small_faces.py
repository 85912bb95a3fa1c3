"""How small may a face be? Portraits laid small into large pictures without faces, found or not.

    python benchmarks/small_faces.py FACES [--photos 40] [--seed 1] [--json FILE]

FACES is a folder with ``faces.csv`` (columns file, split); its test people are used. The pictures behind them are other
portraits, enlarged and blurred until nothing of a face is left, under blocks and noise. The baseline is the first look
alone, at the whole picture. Pictures without a face count false alarms.
"""

import argparse
import json
import os
import sys
import time

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from keras_uncover.faces.finder import FaceFinder  # noqa: E402
from keras_uncover.images.decode import decode_image, read_bytes  # noqa: E402
from pipelines.build.lists import read_list  # noqa: E402

WIDTH, HEIGHT = 1600, 1200
SHARES = (0.15, 0.1, 0.075, 0.05, 0.035)  # a face's width over the picture's


def read_test_people(folder):
    """Photos of the test split, by name."""
    names = sorted(row["file"] for row in read_list(os.path.join(folder, "faces.csv")) if row["split"] == "test")
    return [decode_image(read_bytes(os.path.join(folder, name))) for name in names]


def make_scene(photo, rng):
    """A large picture without a face."""
    blurred = Image.fromarray(photo).filter(ImageFilter.GaussianBlur(40)).resize((WIDTH, HEIGHT))
    blocks = rng.normal(0, 30, (HEIGHT // 16, WIDTH // 16, 3)).repeat(16, 0).repeat(16, 1)
    return np.clip(np.asarray(blurred) + blocks + rng.normal(0, 6, blocks.shape), 0, 255).astype("uint8")


def lay_in(scene, photo, box, share, rng):
    """A portrait laid into a scene so that its face has a share of the scene's width; returns the face's centre."""
    photo, box = cut(photo, box)
    scale = share * WIDTH / (box[2] - box[0])
    size = [round(side * scale) for side in (photo.shape[1], photo.shape[0])]
    small = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))
    x, y = rng.integers(0, WIDTH - size[0]), rng.integers(0, HEIGHT - size[1])
    scene[y : y + size[1], x : x + size[0]] = small
    return np.array([x + scale * (box[0] + box[2]) / 2, y + scale * (box[1] + box[3]) / 2])


def cut(photo, box):
    """A portrait cut to its face and as much again on every side, so that it fits into a scene; the box within it."""
    box, wide = np.asarray(box), box[2] - box[0]
    (left, top), (right, bottom) = (np.round(box[:2] - wide).astype(int), np.round(box[2:] + wide).astype(int))
    left, top = max(left, 0), max(top, 0)
    return photo[top:bottom, left:right], box - np.array([left, top, left, top])


def look(finder, scene, small, centre=None, width=1.0):
    """Whether the face at ``centre`` is found, how many others are, and the seconds that it took."""
    start = time.perf_counter()
    faces = finder.find(scene, small=small)
    seconds = time.perf_counter() - start
    middles = [np.array([face.box[0] + face.box[2], face.box[1] + face.box[3]]) / 2 for face in faces]
    right = [centre is not None and np.abs(middle - centre).max() < 0.3 * width for middle in middles]
    return any(right), len(faces) - sum(right), seconds


def measure(photos, count, seed):
    """A row a share, and one of pictures without a face: found by the first look and by both, others found, seconds."""
    finder = FaceFinder()
    boxes = [finder.find(photo)[0].box for photo in photos[:count]]
    rows = {}
    for share in (*SHARES, 0.0):
        rng, found = np.random.default_rng([seed, round(1e4 * share)]), []
        for k in range(count):
            scene, centre = make_scene(photos[-1 - k], rng), None
            if share:
                centre = lay_in(scene, photos[k], boxes[k], share, rng)
            both = look(finder, scene, True, centre, share * WIDTH)
            found.append((look(finder, scene, False, centre, share * WIDTH)[0], *both))
        before, after, others, seconds = np.array(found, float).T
        rows[f"{share:g}"] = {
            "photos": count, "first_look": float(before.mean()), "found": float(after.mean()),
            "others": int(others.sum()),
            "seconds": round(float(np.median(seconds)), 2),
        }
        words = f"first look {before.mean():.3f}  both {after.mean():.3f}  others {others.sum():.0f}"
        print(f"width {share:5.3f}  {words}", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces")
    parser.add_argument("--photos", type=int, default=40, help="pictures of each kind (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="write the numbers to this file")
    options = parser.parse_args()
    rows = measure(read_test_people(options.faces), options.photos, options.seed)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            file.write(json.dumps({"seed": options.seed, "picture": [WIDTH, HEIGHT], "shares": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
