"""From a server's reply to what ``Uncoverer`` would have answered: the same ``Result``, so the same JSON and files."""

import json
import re

import numpy as np

from export.fields import FACE_FIELDS, FACES, FIELDS, PHOTO_FIELDS, PICTURE_FIELDS, PICTURES
from export.servers import ServerError
from keras_uncover.files import hash_bytes
from keras_uncover.images.decode import ImageError, decode_image
from keras_uncover.inference.answers import FaceAnswer, Result

# A rule holds no "; received " and a hint no full stop before its last.
REFUSAL = re.compile(r"(?P<rule>.*?); received (?P<received>.*)\. (?P<hint>[^.]*\.)", re.DOTALL)


def check_description(description):
    """Refuse a model that lacks what is asked of it. Raises ``ServerError``."""
    served = description.signatures
    hint = "Export the preset with the export.saved_model of this version, and serve that."
    if FACES not in served:
        names = ", ".join(sorted(served))
        raise ServerError(f"The model must have the signature {FACES!r}",
                          f"version {description.version} with {names}", hint)
    missing = sorted({*FIELDS, *PICTURE_FIELDS} - served[FACES])
    if missing:
        raise ServerError(f"The signature {FACES!r} must answer all that is asked",
                          f"version {description.version} without {', '.join(missing)}", hint)


def check_reply(reply, fields, count):
    """Refuse a reply without all outputs that were asked for, or of another length. Raises ``ServerError``."""
    missing = [name for name in fields if name not in reply]
    if missing:
        raise unfit(f"one without {', '.join(missing)}")
    for name in fields:
        rows = len(reply[name]) if isinstance(reply[name], list) else "no list of"
        if rows != count:
            raise unfit(f"{rows} rows of {name} for {count} photos")


def unfit(received):
    """The error for a reply that is none of this version's."""
    return ServerError("A reply must hold every output for every photo", received,
                       "Export the preset with the export.saved_model of this version, and serve that.")


def read_reply(reply, row, file, data):
    """The answer for one photo of a reply.

    Args:
        reply: field to nested lists, as a server's ``predict`` gives them.
        row: the photo's place in it.
        file: the photo's path, for the record. data: its bytes.

    Returns: ``Result``; its pictures are there as far as they were asked for.

    Raises:
        ImageError: the server refused the photo.
        ServerError: an output has not the form that it should have.
    """
    digest = hash_bytes(data)
    try:
        error, faces, found, unsure = read_row(reply, row)
        result = None if error else Result(file, digest, faces, None, found, unsure)
    except (ImageError, LookupError, TypeError, ValueError) as broken:
        raise unfit(f"values that cannot be read: {broken!r:.200}") from broken
    if error is not None:
        error.sha256 = digest
        raise error
    return result


def read_row(reply, row):
    """What a reply says of a photo: an ``ImageError`` or None, its faces, how many are found and how many unsure."""
    said = {name: plain(reply[name][row]) for name in PHOTO_FIELDS}
    if said["error_code"]:
        found = REFUSAL.fullmatch(said["error"])
        error = ImageError(**found.groupdict()) if found else ImageError(said["error"], said["error_code"], "")
        return error, [], 0, 0
    faces = [read_face(reply, row, index, said) for index in range(max(1, said["count"]))]
    return None, faces, said["faces_found"], said["faces_unsure"]


def read_face(reply, row, index, said):
    """The ``FaceAnswer`` at a place of a photo."""
    face = {name: plain(reply[name][row][index]) for name in FACE_FIELDS}
    warnings = face["warnings"].split("\n") if face["warnings"] else []
    said_of_all = {"threshold": said["threshold"], "model": said["model"], "warnings": warnings}
    if not face["found"]:
        return FaceAnswer(verdict=face["verdict"], **said_of_all)
    pictures = {
        name: read_picture(plain(reply[field][row][index], text=False))
        for name, field in zip(PICTURES, PICTURE_FIELDS) if field in reply
    }
    mask = pictures.pop("mask", None)
    reswap = {"ssim": single(face["reswap_ssim"]), "residual": single(face["reswap_residual"])}
    return FaceAnswer(
        face_index=index,
        bbox=tuple(map(single, face["bbox"])),
        verdict=face["verdict"],
        p_fake=single(face["p_fake"]),
        mask_area=single(face["mask_area"]) if face["mask_area"] >= 0 else None,
        reswap=reswap if reswap["residual"] >= 0 else None,
        error_rates=json.loads(said["error_rates"]) if said["error_rates"] else None,
        mask=None if mask is None else mask[..., 0],
        reswap_image=pictures.pop("reswap", None),
        **said_of_all,
        **pictures,
    )


def plain(value, text=True):
    """Text for the bytes of gRPC, what is there for the rest."""
    return value.decode("utf-8") if text and isinstance(value, bytes) else value


def single(value):
    """The float32 that was sent: JSON rounds it by its own rules."""
    return float(np.float32(value))


def read_picture(data):
    """A PNG as float32 ``(height, width, 3)`` in [0, 1], None for none."""
    return decode_image(data) / np.float32(255) if data else None
