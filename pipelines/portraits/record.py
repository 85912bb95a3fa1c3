"""From a photo and a face in it to the arrays of a record."""

import functools

import tensorflow as tf

from keras_uncover.faces.alignment import place_in_crop
from keras_uncover.images.decode import decode_image
from keras_uncover.ops.geometry import cut_crops
from keras_uncover.ops.mesh import VERTICES
from keras_uncover.ops.texture import unwrap_texture
from pipelines.build.buckets import read_picture
from pipelines.build.crops import compile_rasteriser, to_integers

FINER = 2  # The texture is unwrapped from a crop rendered so many times finer, or it would be blurred twice.


@functools.cache
def compile_renderer(size):
    """A compiled function ``(photo uint8 (h, w, 3), points float32 (468, 3) in photo pixels) -> dict of floats``."""
    rasterise = compile_rasteriser(size)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((VERTICES, 3), tf.float32)])
    def render(photo, points):
        matrix, unit = place_in_crop(points[None])
        fine = cut_crops(photo, matrix, FINER * size)
        uv, hull = rasterise(unit[0])
        return {
            "crop": cut_crops(photo, matrix, size)[0],
            "texture": unwrap_texture(fine, unit[..., :2] * (FINER * size), size)[0],
            "uv": uv,
            "hull": hull,
            "points": unit[0],
            "crop_to_photo": matrix[0],
        }

    return render


def make_record(photo, face, size):
    """The arrays that are stored of one portrait.

    Args:
        photo: uint8 ``(height, width, 3)``.
        face: ``keras_uncover.faces.finder.Face`` in it.
        size: pixels of the crop's side.

    Returns: dict of ``crop`` and ``texture`` uint8 ``(size, size, 3)``; ``uv`` uint16 ``(size, size, 2)``, 65535 is
    1.0; ``hull`` uint8 ``(size, size, 1)``, 0 or 255; ``points`` float32 ``(468, 3)``, unit coordinates of the crop,
    z in the same unit; ``crop_to_photo`` float32 ``(2, 3)``.
    """
    arrays = {key: value.numpy() for key, value in compile_renderer(size)(photo, face.points[:VERTICES]).items()}
    for key, dtype in (("crop", "uint8"), ("texture", "uint8"), ("hull", "uint8"), ("uv", "uint16")):
        arrays[key] = to_integers(arrays[key], dtype)
    return arrays


def make_draft(photo, screened, size, drafts):
    """Make the record of a portrait and put it among the ``Drafts``. Returns: its number there."""
    return drafts.put(make_record(photo, screened.face, size))


def read_record(portrait, face, size):
    """The record of a portrait whose face was found elsewhere, as on another worker of Beam: it is read again."""
    return make_record(decode_image(read_picture(portrait.path)), face, size)


def make_example(portrait, record, image_sha256):
    """Key and record of one portrait, as TFDS takes them.

    Args:
        portrait: ``Portrait``.
        record: as ``make_record`` returns it.
        image_sha256: of its photo, see ``hash_pixels``.
    """
    names = {"person": portrait.person, "file": portrait.file, "image_sha256": image_sha256}
    return portrait.file, {**record, **names}
