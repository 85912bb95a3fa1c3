"""One picture that shows a whole answer: input, verdict, recovered sources, re-swap and mask. And one of a ranking.

Words carry the verdict and colour only repeats it, so the figure reads in grey and with any colour vision.
"""

import os
import textwrap

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from keras_uncover.files import new_file
from keras_uncover.images.overlays import tint_mask
from keras_uncover.images.provenance import png_metadata
from keras_uncover.inference.wording import MISSING, NO_DONOR, NO_FACE, NO_RESWAP, VERDICT_WORDS, format_score

# All lengths are pixels of the finished picture.
WIDTH, HEIGHT, DPI = 1800, 420, 100
PANEL, GAP, LEFT, TOP = 280, 16, 20, 56

# Dark enough for text on PALE, and orange against blue is told apart with any colour vision.
COLOURS = {"fake": "#B34700", "genuine": "#00598F", "uncertain": "#444444", "no_face": "#444444"}
INK, SOFT, PALE = "#1A1A1A", "#4A4A48", "#F1F1EE"
MARKER = "#FFC20A"
CELL = 1.9  # inches of a picture's side in a ranking

NOTE = (
    "Recovered faces are a model's guess and may show nobody. "
    "The verdict says only whether a face was swapped in: a picture generated as a whole counts as genuine."
)


def draw_answer(photo, answer):
    """Draw an answer as a strip of six panels; without a face, as the input and words.

    Args:
        photo: uint8 ``(height, width, 3)``, RGB, turned upright: the frame of ``answer.bbox``.
        answer: ``FaceAnswer``.

    Returns: ``PIL.Image.Image``, RGB, 1800 x 420.
    """
    canvas = FigureCanvasAgg(compose(photo, answer))
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def save_figure(path, photo, answer, details=None):
    """Draw an answer and write it as a marked PNG; a reader meets the whole file or none.

    Args:
        path: where to; a file there is replaced.
        photo, answer: as in `draw_answer`.
        details: dict of JSON values to store in the metadata, or None.
    """
    picture = draw_answer(photo, answer)
    with new_file(path) as file:
        picture.save(file, "PNG", pnginfo=png_metadata("figure", answer.model, details))


def compose(photo, answer):
    """The matplotlib ``Figure`` of ``draw_answer``, not yet drawn."""
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor="white")
    draw_input(figure, photo, answer)
    draw_verdict(figure, answer)
    if answer.verdict == "no_face":
        draw_words(add_panel(figure, 2, "Recovered sources and mask", columns=4), NO_FACE)
    else:
        draw_sources(figure, answer)
        draw_mask(figure, answer)
    footer = add_axes(figure, LEFT, HEIGHT - 40, WIDTH - 2 * LEFT, 32)
    write(footer, 0, 16, NOTE, size=10.5, weight="bold")
    write(footer, WIDTH - 2 * LEFT, 16, f"model: {printable(answer.model)}", size=9, ha="right", color=SOFT)
    return figure


def add_axes(figure, left, top, width, height):
    """Axes without a frame whose coordinates are pixels, y downwards."""
    box = (left / WIDTH, 1 - (top + height) / HEIGHT, width / WIDTH, height / HEIGHT)
    axes = figure.add_axes(box, xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def add_panel(figure, column, title, caption="", columns=1):
    """An empty panel with its title above and a caption below."""
    width = columns * PANEL + (columns - 1) * GAP
    axes = add_axes(figure, LEFT + column * (PANEL + GAP), TOP, width, PANEL)
    axes.add_patch(Rectangle((0, 0), width, PANEL, facecolor=PALE, edgecolor="none", zorder=-1))
    write(axes, 0, -18, title, size=11.5, weight="bold")
    write(axes, 0, PANEL + 16, caption, size=9, color=SOFT)
    return axes


def write(axes, x, y, text, **style):
    """Text centred on a line of height ``y``. The text is shown as it stands: ``$`` starts no formula."""
    style = {"ha": "left", "va": "center", "color": INK, "family": "DejaVu Sans", "clip_on": False, **style}
    return axes.text(x, y, text, parse_math=False, usetex=False, **style)


def printable(text, length=24):
    """A name cut to ``length`` characters, with ``?`` for those that the font may lack."""
    shown = "".join(mark if mark.isprintable() and ord(mark) < 0x250 else "?" for mark in str(text))
    return shown if len(shown) <= length else "..." + shown[3 - length :]


def draw_image(axes, image):
    """Fit an image, uint8 or float32 in [0, 1], into a panel.

    Returns: left, top and panel pixels per image pixel, to draw on top of it.
    """
    picture = Image.fromarray(to_uint8(image))
    scale = PANEL / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    left, top = (PANEL - size[0]) / 2, (PANEL - size[1]) / 2
    extent = (left, left + size[0], top + size[1], top)
    axes.imshow(picture, extent=extent, origin="upper", interpolation="nearest", aspect="auto")
    axes.set(xlim=(0, PANEL), ylim=(PANEL, 0))
    return left, top, scale


def to_uint8(image):
    """Pixels as uint8; float images are in [0, 1]."""
    image = np.asarray(image)
    return image if image.dtype == np.uint8 else np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def draw_words(axes, text):
    """Words in place of a picture that does not exist."""
    width = 26 if axes.get_xlim()[1] <= PANEL else 80
    middle = axes.get_xlim()[1] / 2
    write(axes, middle, PANEL / 2, textwrap.fill(text, width), size=11, ha="center", color=SOFT, linespacing=1.5)


def draw_input(figure, photo, answer):
    """The photo with the face's box: dark, bright, dark, so that it shows on any background."""
    caption = "no face found" if answer.bbox is None else f"boxed: face {answer.face_index}, the one judged here"
    axes = add_panel(figure, 0, "Input", caption)
    left, top, scale = draw_image(axes, photo)
    if answer.bbox is None:
        return
    x0, y0, x1, y1 = (value * scale for value in answer.bbox)
    for colour, line in ((INK, 4.0), (MARKER, 1.8)):
        frame = Rectangle((left + x0, top + y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=line)
        frame.set_clip_path(axes.patch)
        axes.add_patch(frame)


def draw_verdict(figure, answer):
    """The verdict in words, and under it ``p_fake`` on a bar from 0 to 1 with the threshold as a tick."""
    axes = add_panel(figure, 1, "Verdict")
    colour, margin = COLOURS[answer.verdict], 18
    headline = answer.verdict.replace("_", " ").upper()
    write(axes, margin, 44, headline, size=24, weight="bold", color=colour)
    words = textwrap.fill(VERDICT_WORDS[answer.verdict], 27)
    write(axes, margin, 80, words, size=11, va="top", linespacing=1.4)
    if answer.p_fake is None:
        return
    score = format_score(answer.p_fake, answer.threshold)
    write(axes, margin, 168, f"p_fake {score}", size=13, weight="bold")
    left, top, width, height = margin, 188, PANEL - 2 * margin, 22
    axes.add_patch(Rectangle((left, top), width, height, facecolor="white", edgecolor="none"))
    axes.add_patch(Rectangle((left, top), width * answer.p_fake, height, facecolor=colour, edgecolor="none"))
    axes.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=INK, linewidth=1.0))
    tick = left + width * answer.threshold
    for shade, line in (("white", 4.5), (INK, 2.0)):
        axes.plot([tick, tick], [top - 6, top + height + 6], color=shade, linewidth=line, solid_capstyle="butt")
    write(axes, left, 236, "0", size=9, ha="center", color=SOFT)
    write(axes, left + width, 236, "1", size=9, ha="center", color=SOFT)
    # The label follows its tick, but stays inside the panel.
    label = min(max(tick, left + 50), left + width - 50)
    write(axes, label, 256, f"threshold {answer.threshold:g}", size=10, ha="center")


def draw_sources(figure, answer):
    """Recovered target, recovered donor and re-swap; a genuine face gets words in place of an invented person."""
    genuine = answer.verdict == "genuine"
    caption = "unchanged where the mask is empty" if genuine else "the edited photo, a guess under the mask"
    draw_picture(add_panel(figure, 2, "Recovered target", caption), answer.target, MISSING)
    donor, reswap = (answer.donor, answer.reswap_image) if answer.names_donor else (None, None)
    caption = "a guess at the face that was pasted in" if donor is not None else ""
    draw_picture(add_panel(figure, 3, "Recovered donor", caption), donor, NO_DONOR if genuine else MISSING)
    caption = ""
    if reswap is not None and answer.reswap is not None:
        caption = f"SSIM {answer.reswap['ssim']:.3f}, residual {answer.reswap['residual']:.3f} to the crop"
    draw_picture(add_panel(figure, 4, "Re-swap", caption), reswap, NO_RESWAP if genuine else MISSING)


def draw_picture(axes, image, words):
    """The image, or words where there is none."""
    if image is None:
        draw_words(axes, words)
    else:
        draw_image(axes, image)


def draw_mask(figure, answer):
    """The crop in grey under a tint as strong as the mask, with the line where the mask is one half."""
    caption = "" if answer.mask_area is None else f"the mask covers {100 * answer.mask_area:.1f} % of the crop"
    axes = add_panel(figure, 5, "Mask on the crop", caption)
    if answer.crop is None or answer.mask is None:
        draw_words(axes, MISSING)
        return
    mask = np.clip(np.asarray(answer.mask), 0.0, 1.0)
    draw_image(axes, tint_mask(answer.crop, mask))
    if mask.min() < 0.5 < mask.max():
        centres = (np.arange(len(mask)) + 0.5) * PANEL / len(mask)
        for colour, line in (("white", 3.0), (INK, 1.2)):
            axes.contour(centres, centres, mask, levels=[0.5], colors=[colour], linewidths=[line])


def save_ranking(path, pictures, found, crops, model):
    """Draw a ranking and write it as a marked PNG.

    Args:
        path: where to; a file there is replaced.
        pictures: dict from role to the recovered face, float32 ``(size, size, 3)``.
        found: dict from role to the list that ``likeness.rank`` gives; roles without one are left out.
        crops: dict from a reference's file to its crop.
        model: name of what recovered the faces.
    """
    roles = [role for role in pictures if found.get(role)]
    columns = 1 + max(len(found[role]) for role in roles)
    figure = Figure(figsize=(CELL * columns + 0.4, (CELL + 0.75) * len(roles) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, role in zip(figure.subplots(len(roles), columns, squeeze=False), roles):
        show_picture(axes[0], pictures[role], f"recovered {role}", "a model's guess")
        for cell in axes[1:]:
            cell.set_axis_off()
        for cell, entry in zip(axes[1:], found[role]):
            cell.set_axis_on()
            mark = "within the mark" if entry["same_person"] else "beyond the mark"
            title = f"{entry['rank']}. {printable(os.path.basename(entry['file']))}"
            show_picture(cell, crops[entry["file"]], title, f"distance {entry['distance']:.3f}, {mark}")
    figure.supxlabel(
        "A ranking is a lead, no identification: the nearest is named even where nobody here is shown.",
        fontsize=9, color=INK,
    )
    mark = {"pnginfo": png_metadata("figure", model)}
    with new_file(path) as file:
        figure.savefig(file, format="png", dpi=110, facecolor="white", pil_kwargs=mark)


def show_picture(axes, picture, title, words):
    """One picture with a title above and words below."""
    axes.imshow(to_uint8(picture), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=9, color=INK, parse_math=False)
    axes.set_xlabel(words, fontsize=8, color=SOFT)
