"""Memory over thousands of photos: through the library, the demo as a program asks it, and the serving client.

    python benchmarks/hostile/load.py library PHOTOS       # what measure_load starts, as JSON

Photos are of many sizes and formats, every one other bytes, a tenth of them refused. After a warm-up of a fifth, in
which sizes are met for the first time, memory may grow by five percent to the end.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from files import PHOTOS, ROOT, save
from fuzz import MIB
from PIL import Image

WARM_UP, SAMPLES, MOST = 0.2, 40, 0.05
SIDES = (256, 320, 448, 640)


def make_photo(number):
    """A photo, other bytes for each number: a file of one of three formats, or one that is refused."""
    rng = np.random.default_rng(number)
    if number % 10 == 9:
        return PHOTOS[0].read_bytes()[: int(rng.integers(10, 15_000))]
    side = SIDES[number % len(SIDES)]
    with Image.open(PHOTOS[number % len(PHOTOS)]) as photo:
        picture = photo.convert("RGB").resize((side, side + 32 * (number // 4 % 3)))
    picture.putpixel((0, 0), tuple(int(value) for value in rng.integers(0, 256, 3)))
    container = ("JPEG", "PNG", "WEBP")[number % 3]
    return save(picture, container, **({} if container == "PNG" else {"quality": int(rng.integers(70, 96))}))


def resident(process):
    """Memory that a process holds now, MiB."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB


def sample(ask, count, processes):
    """Ask for so many photos and look at the memory of processes meanwhile; returns the curves and the refusals."""
    curves, refused, every = {name: [] for name in processes}, 0, max(1, count // SAMPLES)
    for number in range(count):
        refused += not ask(make_photo(number))
        if (number + 1) % every == 0:
            for name, process in processes.items():
                curves[name].append(round(resident(process), 1))
    return curves, refused


def ask_library(count):
    """Through ``Uncoverer``, pictures written as ``predict --out`` writes them."""
    from keras_uncover import ImageError, Uncoverer
    from keras_uncover.inference.outputs import write_pictures

    uncoverer = Uncoverer.from_preset("small")
    with tempfile.TemporaryDirectory() as folder:

        def ask(data):
            try:
                write_pictures(folder, "photo", uncoverer(data), heatmap=True)
            except ImageError:
                return False
            return True

        return sample(ask, count, {"library": os.getpid()})


def ask_demo(count):
    """Through the demo's endpoint ``/predict``, as a program asks it, the demo in a process of its own."""
    code = "import sys; from keras_uncover.cli.main import main; sys.exit(main(['demo', '--port', sys.argv[1]]))"
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", code, str(port)], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        while b"serving at" not in process.stderr.readline():
            if process.poll() is not None:
                raise SystemExit("hostile: the demo did not start")
        from gradio_client import Client, handle_file
        from gradio_client.exceptions import AppError

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "photo")

            def ask(data):
                path.write_bytes(data)
                # A session each, as visitors have: an upload lives as long as its session.
                client = Client(f"http://127.0.0.1:{port}/", verbose=False)
                try:
                    client.predict(handle_file(str(path)), api_name="/predict")
                except AppError:
                    return False
                finally:
                    client.close()
                return True

            return sample(ask, count, {"demo": process.pid})
    finally:
        process.terminate()
        process.wait()


def ask_client(count, version):
    """Through the client's REST server, the stand-in for the model server in a process of its own."""
    from export.fields import FACES, FIELDS, PICTURE_FIELDS
    from export.servers import RestServer

    command = [sys.executable, str(ROOT / "tests" / "support" / "model_server.py"), str(Path(version).parent)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = json.loads(server.stdout.readline())
        client = RestServer(f"http://127.0.0.1:{address['rest']}", "keras_uncover", 600)

        def ask(data):
            reply = client.predict(FACES, [data], FIELDS + PICTURE_FIELDS)
            return not reply["error"][0]

        return sample(ask, count, {"client": os.getpid(), "server": server.pid})
    finally:
        server.kill()
        server.wait()


def free_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def judge(curve, count):
    """What a curve says: memory after the warm-up, at the end, the growth between as a share."""
    warm = max(1, int(len(curve) * WARM_UP))
    # Medians of a few samples: an allocator gives back and takes again.
    early, late = (float(np.median(part)) for part in (curve[warm : warm + 5], curve[-5:]))
    return {"photos": count, "after_warm_up_mib": early, "at_the_end_mib": late, "growth": round(late / early - 1, 4),
            "curve_mib": curve}


def measure_load(version, photos, roads=None):
    """Each road in a process of its own. Returns its curves, and words on those that grew, or None."""
    counts, found = {"library": photos[0], "demo": photos[1], "client": photos[1]}, {}
    for road in roads or counts:
        if road == "client" and version is None:
            raise SystemExit("hostile: load through the client needs --version DIR, a version that was exported")
        command = [sys.executable, __file__, road, str(counts[road]), *([version] if road == "client" else [])]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"hostile: load through {road} ended with {done.returncode}")
        curves, refused = json.loads(done.stdout.splitlines()[-1])
        for name, curve in curves.items():
            found[name] = {**judge(curve, counts[road]), "refused": refused}
        found[road]["seconds"] = round(time.perf_counter() - started, 1)
    grown = {name: each["growth"] for name, each in found.items() if each["growth"] > MOST}
    return found, f"memory grew by more than {MOST:.0%}: {grown}" if grown else None


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path.insert(0, str(ROOT))
    roads = {"library": ask_library, "demo": ask_demo, "client": ask_client}
    print(json.dumps(roads[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:])))
