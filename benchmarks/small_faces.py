"""How small may a face be, alone or beside a large one, and what does looking for small faces cost?

    python benchmarks/small_faces.py FACES [--photos 40] [--portraits 60] [--seed 1] [--json FILE]

FACES is a folder with ``faces.csv`` (columns file, split). Portraits of its test people are laid small into large
pictures without faces, which are other portraits, enlarged and blurred until nothing of a face is left, under blocks
and noise; in half of the pictures a large portrait stands beside the small one. The baseline is the first look alone,
at the whole picture. Pictures without a small face count false alarms.

The cost is that of photos without small faces: portraits of its training people as they are, and one in each of several
large pictures, answered with and without the second look in turn.
"""

import argparse
import json
import os
import sys
import time

import numpy as np
from PIL import Image, ImageFilter

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from keras_uncover.images.decode import decode_image, read_bytes  # noqa: E402
from keras_uncover.inference.uncoverer import Uncoverer  # noqa: E402
from pipelines.build.lists import read_list  # noqa: E402

WIDTH, HEIGHT = 1600, 1200
LARGE = 0.3  # width of the large face over the picture's
SHARES = (0.15, 0.1, 0.075, 0.05, 0.035)  # a face's width over the picture's


def read_people(folder, split, count=None):
    """Photos of a split, by name; a count of them is evenly spaced."""
    names = sorted(row["file"] for row in read_list(os.path.join(folder, "faces.csv")) if row["split"] == split)
    names = names if count is None else names[:: len(names) // count][:count]
    return [decode_image(read_bytes(os.path.join(folder, name))) for name in names]


def make_scene(photo, rng, width=WIDTH, height=HEIGHT):
    """A large picture without a face."""
    blurred = Image.fromarray(photo).filter(ImageFilter.GaussianBlur(40)).resize((width, height))
    blocks = rng.normal(0, 30, (height // 16, width // 16, 3)).repeat(16, 0).repeat(16, 1)
    noise = np.resize(rng.normal(0, 6, (HEIGHT // 16 * 16, WIDTH, 3)), (height, width, 3))
    scene = np.asarray(blurred) + np.resize(blocks, (height, width, 3)) + noise
    return np.clip(scene, 0, 255).astype("uint8")


def lay_in(scene, photo, box, share, rng, left=0.0, right=1.0):
    """A portrait laid into a scene, between two shares of its width; ``share`` is its face's. Returns its centre."""
    photo, box = cut(photo, box)
    scale = share * scene.shape[1] / (box[2] - box[0])
    size = [round(side * scale) for side in (photo.shape[1], photo.shape[0])]
    size = [min(side, room) for side, room in zip(size, (int((right - left) * scene.shape[1]), scene.shape[0]))]
    small = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))
    x = rng.integers(int(left * scene.shape[1]), int(right * scene.shape[1]) - size[0] + 1)
    y = rng.integers(0, scene.shape[0] - size[1] + 1)
    scene[y : y + size[1], x : x + size[0]] = small
    return np.array([x + scale * (box[0] + box[2]) / 2, y + scale * (box[1] + box[3]) / 2])


def cut(photo, box):
    """A portrait cut to its face and as much again on every side, so that it fits into a scene; the box within it."""
    box, wide = np.asarray(box), box[2] - box[0]
    (left, top), (right, bottom) = (np.round(box[:2] - wide).astype(int), np.round(box[2:] + wide).astype(int))
    left, top = max(left, 0), max(top, 0)
    return photo[top:bottom, left:right], box - np.array([left, top, left, top])


def look(finder, scene, small, centre=None, width=1.0):
    """Whether the face at ``centre`` is found, how many others are sure and how many places unsure."""
    faces = finder.find_all(scene, small=small)
    sure = [face for face in faces if face.sure]
    middles = [np.array([face.box[0] + face.box[2], face.box[1] + face.box[3]]) / 2 for face in sure]
    right = [centre is not None and np.abs(middle - centre).max() < 0.3 * width for middle in middles]
    return any(right), len(sure) - sum(right), len(faces) - len(sure)


def measure_found(finder, photos, count, seed, beside):
    """A row a share, and one of pictures without a small face: found by the first look and by both, others found."""
    boxes = [finder.find(photo)[0].box for photo in photos[:count]]
    rows = {}
    for share in (*SHARES, 0.0):
        rng, found = np.random.default_rng([seed, round(1e4 * share)]), []
        for k in range(count):
            scene, centre = make_scene(photos[-1 - k], rng), None
            if beside:
                lay_in(scene, photos[(k + 1) % count], boxes[(k + 1) % count], LARGE, rng, 0.0, 0.6)
            if share:
                centre = lay_in(scene, photos[k], boxes[k], share, rng, 0.6 if beside else 0.0)
            before, after = (look(finder, scene, small, centre, share * WIDTH) for small in (False, True))
            found.append((before[0], after[0], after[1] - beside, after[2]))
        before, after, others, unsure = np.array(found, float).T
        rows[f"{share:g}"] = {
            "photos": count, "first_look": float(before.mean()), "found": float(after.mean()),
            "others": int(others.sum()), "unsure": int(unsure.sum()),
        }
        words = f"first look {before.mean():.3f}  both {after.mean():.3f}  others {others.sum():.0f}"
        print(f"width {share:5.3f}  beside {beside}  {words}", flush=True)
    return rows


def measure_cost(uncoverer, photos):
    """What the second look costs on photos without small faces, and what it finds there beside their one face.

    Returns: dict of seconds an answer without and with it, medians, on the clock and of all cores' work, the median of
    the ratios, and counts of faces.
    """
    find, seconds, counts = uncoverer.finder.find_all, [], []
    for photo in [photos[0], *photos]:
        pair = []
        for small in (False, True):  # in turn, so that other work on the machine meets both
            uncoverer.finder.find_all = lambda photo, small, wanted=small: find(photo, wanted)
            start = time.perf_counter(), time.process_time()
            result = uncoverer(photo)
            pair.append((time.perf_counter() - start[0], time.process_time() - start[1]))
            counts.append((result.found, result.unsure))
        seconds.append(pair)
    uncoverer.finder.find_all = find
    before, after = np.array(seconds[1:]).swapaxes(0, 1)  # the first compiles
    growth = np.median(after / before, axis=0) - 1
    found = np.array(counts[2:]).reshape(-1, 2, 2).sum(0).tolist()
    row = {
        "photos": len(photos), "seconds_before": round(float(np.median(before[:, 0])), 3),
        "seconds_after": round(float(np.median(after[:, 0])), 3), "growth": round(float(growth[0]), 3),
        "cpu_seconds_before": round(float(np.median(before[:, 1])), 3),
        "cpu_seconds_after": round(float(np.median(after[:, 1])), 3), "cpu_growth": round(float(growth[1]), 3),
        "faces_before": found[0][0], "faces_after": found[1][0],
        "unsure_before": found[0][1], "unsure_after": found[1][1],
    }
    print(row, flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces")
    parser.add_argument("--photos", type=int, default=40, help="pictures of each kind (%(default)s)")
    parser.add_argument("--portraits", type=int, default=60, help="photos that the cost is measured on (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="write the numbers to this file")
    options = parser.parse_args()
    uncoverer, rng = Uncoverer.from_preset("small"), np.random.default_rng(options.seed)
    portraits, cost = read_people(options.faces, "train", options.portraits), {}
    cost["portraits"] = measure_cost(uncoverer, portraits)
    for width, height in ((1600, 1200), (4000, 3000)):
        scenes = [make_scene(portraits[-1 - k], rng, width, height) for k in range(12)]
        for scene, photo in zip(scenes, portraits):
            lay_in(scene, photo, uncoverer.finder.find(photo)[0].box, LARGE, rng)
        cost[f"{width} x {height}"] = measure_cost(uncoverer, scenes)
    photos = read_people(options.faces, "test")
    found = {
        name: measure_found(uncoverer.finder, photos, options.photos, options.seed, beside)
        for name, beside in (("alone", False), ("beside_a_large_face", True))
    }
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            numbers = {"seed": options.seed, "picture": [WIDTH, HEIGHT], "shares": found, "cost": cost}
            file.write(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main()
