"""Data in a bucket, such as ``gs://bucket/shards``, where workers on many machines find it. TensorFlow opens it."""

import contextlib

from keras_uncover.images.decode import MAX_BYTES, ImageError, read_bytes
from pipelines.build.folders import BuildError, as_path, check_destination


def is_remote(path):
    """Whether a path is in a bucket."""
    return "://" in str(path)


@contextlib.contextmanager
def reach(path):
    """Turn TensorFlow's errors about a bucket into one sentence."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        raise BuildError(f"{path} cannot be reached: {error.message}. Check its name and your access.") from error


def read_picture(path):
    """Bytes of an image file, in a bucket or not, under the limits of ``keras_uncover.images.decode.read_bytes``.

    Raises: ImageError.
    """
    if not is_remote(path):
        return read_bytes(path)
    try:
        with reach(path), as_path(path).open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (BuildError, OSError) as error:
        raise ImageError("An input is an image file", f'what cannot be read: "{path}"', str(error)) from error
    return read_bytes(data)


@contextlib.contextmanager
def bucket_folder(destination, overwrite=False):
    """As ``folders.build_folder``, as far as a bucket can.

    Nothing moves at once there: ``dataset_info.json``, without which no one reads a data set, is removed first and
    comes last. Two builds at a time are not noticed.
    """
    destination = as_path(destination)
    with reach(destination):
        check_destination(destination, overwrite)
        work = destination.parent / f".{destination.name}.building"
        if work.exists():
            work.rmtree()
        work.mkdir(parents=True)
    try:
        yield work
        with reach(destination):
            replace_files(work / "done", destination)
    finally:
        work.rmtree()


def replace_files(source, destination):
    """Move the files of a data set, and remove those that were there before."""
    if destination.exists():
        (destination / "dataset_info.json").unlink(missing_ok=True)
        destination.rmtree()
    destination.mkdir(parents=True)
    for path in sorted(source.iterdir(), key=lambda path: path.name == "dataset_info.json"):
        path.rename(destination / path.name)
