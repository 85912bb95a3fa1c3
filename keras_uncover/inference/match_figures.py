"""A figure of a ranking: each recovered face with the reference photos that are nearest to it."""

import os

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_uncover.files import new_file
from keras_uncover.images.provenance import png_metadata
from keras_uncover.inference.figures import INK, SOFT, printable, to_uint8

CELL = 1.9  # inches of a picture's side


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
        show(axes[0], pictures[role], f"recovered {role}", "a model's guess")
        for cell in axes[1:]:
            cell.set_axis_off()
        for cell, entry in zip(axes[1:], found[role]):
            cell.set_axis_on()
            mark = "within the mark" if entry["same_person"] else "beyond the mark"
            words = f"distance {entry['distance']:.3f}, {mark}"
            show(cell, crops[entry["file"]], f"{entry['rank']}. {printable(os.path.basename(entry['file']))}", words)
    figure.supxlabel(
        "A ranking is a lead, no identification: the nearest is named even where nobody here is shown.",
        fontsize=9, color=INK,
    )
    mark = {"pnginfo": png_metadata("figure", model)}
    with new_file(path) as file:
        figure.savefig(file, format="png", dpi=110, facecolor="white", pil_kwargs=mark)


def show(axes, picture, title, words):
    """One picture with a title above and words below."""
    axes.imshow(to_uint8(picture), interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=9, color=INK, parse_math=False)
    axes.set_xlabel(words, fontsize=8, color=SOFT)
