"""Do all interfaces give one answer? Python, command line, SavedModel, REST and gRPC on a folder of photos.

    python benchmarks/same_answer.py PHOTOS [--limit 100] [--preset small] [--served SERVED_DIR] [--json FILE]

Every k-th photo is taken, so that few of them stand for all. The SavedModel is exported unless --served names a folder
of versions; it is loaded in a process with only TensorFlow, the command line and the stand-in server of the tests run
in processes of their own. Differences are the largest over all photos, against what Python answers.
"""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from export import saved_model  # noqa: E402
from export.serving.versions import versions  # noqa: E402
from keras_uncover import Uncoverer  # noqa: E402
from keras_uncover.cli.inputs import PHOTO_SUFFIXES  # noqa: E402
from keras_uncover.images.decode import decode_image  # noqa: E402

KINDS = ("target", "donor", "mask", "reswap")
READER = """
import sys
import numpy as np, tensorflow as tf
answer = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
rows = []
for path in open(sys.argv[2]).read().split("\\n"):
    row = answer(photo_bytes=tf.constant([open(path, "rb").read()]))
    rows.append({name: value.numpy()[0] for name, value in row.items()})
store = lambda value: value.hex() if isinstance(value, bytes) else value
np.savez(sys.argv[3], **{name: np.array([store(row[name]) for row in rows]) for name in rows[0]})
assert "keras_uncover" not in sys.modules
"""


def choose_photos(folder, limit):
    """Every k-th photo of a folder, at most ``limit``."""
    photos = sorted(path for path in Path(folder).resolve().iterdir() if path.suffix.lower() in PHOTO_SUFFIXES)
    return photos[:: max(1, len(photos) // limit)][:limit]


def ask_python(preset, photos):
    """Records of the main faces with their pictures, float, by kind."""
    uncoverer, answers = Uncoverer.from_preset(preset), []
    for photo in photos:
        result = uncoverer(photo)
        pictures = {kind: getattr(result, "reswap_image" if kind == "reswap" else kind) for kind in KINDS}
        answers.append({"verdict": result.verdict, "p_fake": result.p_fake, "bbox": result.bbox, "pictures": pictures})
    return answers


def ask_saved_model(version, photos, work):
    """The same of the signature ``serving_default``, pictures as uint8."""
    (work / "paths").write_text("\n".join(map(str, photos)))
    subprocess.run([sys.executable, "-c", READER, version, work / "paths", work / "a.npz"], check=True, cwd=work)
    with np.load(work / "a.npz") as stored:
        rows = [dict(zip(stored, row)) for row in zip(*(stored[name] for name in stored))]
    return [
        {
            "verdict": bytes.fromhex(row["verdict"]).decode(), "p_fake": row["p_fake"] if row["found"] else None,
            "bbox": row["bbox"] if row["found"] else None,
            "pictures": {kind: read(bytes.fromhex(row[f"{kind}_png_bytes"])) for kind in KINDS},
        }
        for row in rows
    ]


def read(data):
    return decode_image(data) if data else None


def read_lines(lines, out):
    """The same of the JSON lines of the command line or the client, and of the pictures that they wrote."""
    answers = []
    for record in map(json.loads, lines):
        if record["face_index"] in (None, 0):
            paths = {kind: record["outputs"][kind] for kind in KINDS}
            pictures = {kind: path and read_written(out / Path(path).name) for kind, path in paths.items()}
            answers.append({**{key: record[key] for key in ("verdict", "p_fake", "bbox")}, "pictures": pictures})
    return answers


def read_written(path):
    """The picture inside a marked file, without its caption."""
    from keras_uncover.images.provenance import read_mark

    place = read_mark(path)["picture"]
    pixels = decode_image(path.read_bytes())
    scale = place["scale"]
    return pixels[: scale * place["height"] : scale, : scale * place["width"] : scale]


def ask_command(preset, photos, out):
    command = [sys.executable, "-m", "keras_uncover", "predict", *map(str, photos), "--json", "--out", str(out)]
    done = subprocess.run([*command, "--preset", preset], check=True, cwd=ROOT, capture_output=True, text=True)
    return read_lines(done.stdout.splitlines(), out)


def ask_client(photos, out, *door):
    command = [sys.executable, "-m", "export.client", *map(str, photos), "--json", "--out", str(out), *door]
    done = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True)
    return read_lines(done.stdout.splitlines(), out)


def compare(expected, answers):
    """Largest differences of an interface's answers, and how many of its verdicts are others."""
    pairs = list(zip(expected, answers, strict=True))
    both = [(a, b) for a, b in pairs if a["p_fake"] is not None and b["p_fake"] is not None]
    pictures = {
        kind: max((picture_difference(a["pictures"][kind], b["pictures"][kind]) for a, b in pairs), default=0.0)
        for kind in KINDS
    }
    return {
        "other_verdicts": sum(a["verdict"] != b["verdict"] for a, b in pairs),
        "p_fake": max(abs(float(a["p_fake"]) - float(b["p_fake"])) for a, b in both),
        "bbox_pixels": max(float(np.abs(np.subtract(a["bbox"], b["bbox"])).max()) for a, b in both),
        "picture_mean_levels_of_255": {kind: round(value, 4) for kind, value in pictures.items()},
    }


def picture_difference(expected, pixels):
    """Mean difference in levels of 255; infinite where only one of the two is there."""
    if expected is None or pixels is None:
        return 0.0 if expected is None and pixels is None else float("inf")
    expected = expected if expected.ndim == 3 else expected[..., None]
    return float(np.abs(np.round(np.clip(expected, 0, 1) * 255) - pixels).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", help="folder")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--preset", default="small")
    parser.add_argument("--served", help="folder of versions, the highest of which is of the preset")
    parser.add_argument("--json", help="write the result to this file")
    options = parser.parse_args()
    photos = choose_photos(options.photos, options.limit)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        served = options.served or work / "served"
        version = Path(served) / str(max(versions(served))) if options.served else (
            saved_model.export(options.preset, served))
        record = json.loads((version / "assets.extra" / "export.json").read_text())
        expected = ask_python(options.preset, photos)
        doors = {"saved_model": compare(expected, ask_saved_model(version.resolve(), photos, work))}
        doors["command_line"] = compare(expected, ask_command(options.preset, photos, work / "command"))
        server = subprocess.Popen([sys.executable, ROOT / "tests" / "support" / "model_server.py", served, "--name",
                                   saved_model.NAME], stdout=subprocess.PIPE, text=True)
        try:
            ports = json.loads(server.stdout.readline())
            rest = ("--url", f"http://127.0.0.1:{ports['rest']}", "--timeout", "600")
            doors["rest"] = compare(expected, ask_client(photos, work / "rest", *rest))
            grpc = ("--grpc", f"127.0.0.1:{ports['grpc']}", "--timeout", "600")
            doors["grpc"] = compare(expected, ask_client(photos, work / "grpc", *grpc))
        finally:
            server.kill()
    result = {
        "photos": len(photos), "preset": options.preset, "verdicts": dict(Counter(a["verdict"] for a in expected)),
        "weights_sha256": record["weights_sha256"]["preset"], "doors": doors, "made_with": record["made_with"],
        "machine": platform.machine(),
    }
    print(json.dumps(result, indent=2))
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
