"""Pictures that leave the product say what they are: a model's guess.

The visible mark is a caption below the picture, the invisible one is metadata: an XMP packet with the IPTC property
DigitalSourceType, and PNG text. Both are written new; nothing of an input's metadata is carried over.

The model's answer can be read back from the file to the last bit. It is enlarged by a whole number ``scale`` (each
pixel repeated) until the caption has room, and fills the top left corner: ``file[: scale * height : scale, : scale *
width : scale]`` is the answer. `read_mark` gives the three numbers.
"""

import json
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from keras_uncover.files import new_file
from keras_uncover.images.decode import read_bytes
from keras_uncover.images.headers import name_format, png_chunks

SOFTWARE = "keras_uncover"
CAPTIONS = {
    "target": "MODEL'S GUESS - recovered target - not a photograph",
    "donor": "MODEL'S GUESS - recovered donor - not a photograph",
    "mask": "MODEL'S GUESS - mask of the replaced region",
    "reswap": "MODEL'S GUESS - swap made again from both recovered sources - not a photograph",
    "figure": "MODEL'S GUESS - verdict, mask and recovered faces - not photographs",
    "heatmap": "MODEL'S GUESS - mask of the replaced region, laid over the photo",
}

# https://cv.iptc.org/newscodes/digitalsourcetype/: target, re-swap, figure and heatmap also hold pixels of the input.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITES = ("target", "reswap", "figure", "heatmap")

XMP_KEYWORD = "XML:com.adobe.xmp"
XMP_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmp:CreatorTool={software} xmp:Label={caption} Iptc4xmpExt:DigitalSourceType={source}/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""

MIN_WIDTH = 384
FONT_SIZE = 15
MARGIN = 8
LINE = 20


def caption(kind):
    """The visible words for a kind of picture, a key of ``CAPTIONS``."""
    if kind not in CAPTIONS:
        raise ValueError(f"kind must be one of {', '.join(CAPTIONS)}; received {kind!r}.")
    return CAPTIONS[kind]


def source_type(kind):
    """The IPTC digital source type, a URI, for a kind of picture."""
    caption(kind)
    return SOURCE_TYPE + ("compositeWithTrainedAlgorithmicMedia" if kind in COMPOSITES else "trainedAlgorithmicMedia")


def png_metadata(kind, model, details=None):
    """The invisible mark, for any PNG that Pillow writes (Matplotlib: ``pil_kwargs={"pnginfo": ...}``).

    Args:
        kind: as in `caption`.
        model: name of the model that guessed.
        details: dict of JSON values to store with it.

    Returns: ``PIL.PngImagePlugin.PngInfo`` with XMP, Software, Description and Comment (JSON).
    """
    mark = {**(details or {}), "kind": kind, "model": str(model), "caption": caption(kind)}
    packet = XMP_PACKET.format(
        software=quoteattr(SOFTWARE), caption=quoteattr(caption(kind)), source=quoteattr(source_type(kind))
    )
    metadata = PngInfo()
    metadata.add_itxt(XMP_KEYWORD, packet)
    metadata.add_text("Software", SOFTWARE)
    metadata.add_text("Description", caption(kind))
    metadata.add_text("Comment", json.dumps(mark, allow_nan=False))
    return metadata


def save_marked(path, image, kind, model, details=None):
    """Write a picture as PNG with its visible and its invisible mark; a reader meets the whole file or none.

    Args:
        path: ends in ``.png``; its folder exists; a file there is replaced.
        image, kind, model, details: as in `encode_marked`.

    Returns: the ``Path`` written.

    Raises: ValueError for another suffix, shape, type or range; OSError where the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise ValueError(f'A marked picture is a PNG; received the name "{path.name}". End it in .png.')
    data = encode_marked(image, kind, model, details)
    with new_file(path) as file:
        file.write(data)
    return path


def encode_marked(image, kind, model, details=None):
    """A picture as the bytes of a PNG with its visible and its invisible mark.

    Args:
        image: ``(height, width, 3)``, or ``(height, width)`` or ``(height, width, 1)`` for a mask; uint8, or float
            in [0, 1], stored as ``round(255 * value)``.
        kind, model, details: as in `png_metadata`.

    Raises: ValueError for another shape, type or range.
    """
    pixels = _to_uint8(image)
    height, width = pixels.shape[:2]
    scale = -(-MIN_WIDTH // width)
    place = {"height": height, "width": width, "scale": scale}
    metadata = png_metadata(kind, model, {**(details or {}), "picture": place})
    picture, file = _add_caption(pixels.repeat(scale, axis=0).repeat(scale, axis=1), caption(kind)), BytesIO()
    picture.save(file, "PNG", pnginfo=metadata)
    return file.getvalue()


def read_mark(path):
    """Read the invisible mark of a PNG file.

    Returns: dict with ``kind``, ``model``, ``caption``, ``xmp`` (text of the packet) and the details that were stored,
    among them ``picture`` (``height``, ``width``, ``scale``) where `save_marked` wrote the file.

    Raises: ValueError where the file is no PNG or carries no mark; ImageError (a ValueError) where it cannot be read.
    """
    data = read_bytes(path)
    if name_format(data) != "PNG":
        raise ValueError(f'A marked picture is a PNG; received {name_format(data)}: "{path}".')
    texts = {}
    for kind, start, end in png_chunks(data):
        if kind == b"tEXt":
            keyword, text = data[start:end].split(b"\0", 1)
            texts[keyword] = text.decode("latin-1")
        if kind == b"iTXt":
            keyword, rest = data[start:end].split(b"\0", 1)
            texts[keyword] = rest[2:].split(b"\0", 2)[2].decode("utf-8")
    if texts.get(b"Software") != SOFTWARE or XMP_KEYWORD.encode() not in texts or b"Comment" not in texts:
        raise ValueError(f'A marked picture carries XMP and a comment of {SOFTWARE}; received "{path}" without them.')
    return {**json.loads(texts[b"Comment"]), "xmp": texts[XMP_KEYWORD.encode()]}


def _to_uint8(image):
    """Pixels as uint8 ``(height, width, 3)``."""
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise ValueError(f"A picture has shape (height, width), or (height, width, 1 or 3); received {image.shape}.")
    if image.dtype != np.uint8:
        if not np.issubdtype(image.dtype, np.floating):
            raise ValueError(f"A picture is uint8 or float; received {image.dtype}. Convert it.")
        if not (image.min() >= -1e-3 and image.max() <= 1 + 1e-3):
            raise ValueError(f"A float picture is in [0, 1]; received {image.min()} to {image.max()}. Scale it.")
        image = np.round(np.clip(image, 0.0, 1.0) * 255.0).astype("uint8")
    return np.repeat(image, 3, axis=-1) if image.shape[2] == 1 else image


def _add_caption(pixels, text):
    """A picture with words in white on a black strip below it, as many lines as its width needs."""
    height, width = pixels.shape[:2]
    font = ImageFont.load_default(FONT_SIZE)
    lines = _wrap(text, font, width - 2 * MARGIN)
    canvas = Image.new("RGB", (width, height + 2 * MARGIN + LINE * len(lines)), "black")
    canvas.paste(Image.fromarray(pixels), (0, 0))
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        draw.text((MARGIN, height + MARGIN + LINE * number), line, font=font, fill="white")
    return canvas


def _wrap(text, font, width):
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
