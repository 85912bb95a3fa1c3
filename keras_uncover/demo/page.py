"""An answer as HTML: nine panels a face, for the demo and for the report. It loads nothing: pictures are embedded.

The verdict is text; colour only repeats it.
"""

import base64
from html import escape
from importlib import resources
from io import BytesIO

from PIL import Image

from keras_uncover.images.overlays import draw_box, tint_mask
from keras_uncover.images.provenance import encode_marked
from keras_uncover.inference.scores import NO_SCORES, describe_place
from keras_uncover.inference.wording import (
    LIMITS,
    MISSING,
    NO_DONOR,
    NO_FACE,
    NO_RATES,
    NO_RESWAP,
    SWAPS_ONLY,
    VERDICT_WORDS,
    describe_rates,
    format_score,
)

SLIDE = "this.closest('.ku-slider').style.setProperty('--ku-x', this.value + '%')"


def read_style():
    """The style sheet of the panels."""
    return resources.files("keras_uncover.demo").joinpath("page.css").read_text("utf-8")


def show_face(photo, answer, scores=None, band=None):
    """One face's answer as a ``<section>``: input, verdict, limits, both sources, re-swap, mask, slider and histogram.

    Args:
        photo: uint8 ``(height, width, 3)``, the frame of ``answer.bbox``.
        answer: ``FaceAnswer``.
        scores: histogram as ``scores.measured_scores`` gives it, or None.
        band: ends of the uncertain band, or None.
    """
    place = "no face found" if answer.bbox is None else f"boxed: face {answer.face_index}, the one judged here"
    size = f"{photo.shape[1]} x {photo.shape[0]} pixels; {place}"
    panels = [show_picture("Input", embed_png(draw_box(photo, answer.bbox)), f"The photo, {place}", size)]
    panels.append(show_verdict(answer))
    if answer.verdict == "no_face":
        panels.append(show_nothing("Recovered sources and mask", NO_FACE))
    else:
        panels += [*show_sources(answer), show_mask(answer), show_slider(answer), show_place(answer, scores, band)]
    return f'<section class="ku ku-{answer.verdict}"><div class="ku-grid">{"".join(panels)}</div></section>'


def show_verdict(answer):
    """The verdict in words with score, threshold and error rates; the limits stand beside it."""
    lines = [f'<p class="ku-verdict">{escape(answer.verdict.replace("_", " ").upper())}</p>']
    lines.append(f"<p>{escape(VERDICT_WORDS[answer.verdict])}</p>")
    if answer.p_fake is not None:
        score = format_score(answer.p_fake, answer.threshold)
        lines.append(f'<p class="ku-score">p_fake {score}, threshold {answer.threshold:.4g}</p>')
        rates = NO_RATES if answer.error_rates is None else describe_rates(answer.error_rates)
        lines.append(f"<p>{escape(rates[0].upper() + rates[1:].rstrip('.'))}.</p>")
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in LIMITS)
    notes = "".join(f"<li>{escape(note)}</li>" for note in answer.warnings if note != SWAPS_ONLY)  # a limit says it
    notes = f"<h3>Notes on this answer</h3><ul>{notes}</ul>" if notes else ""
    return (
        f'<div class="ku-panel ku-wide"><div><h3>Verdict</h3>{"".join(lines)}</div>'
        f"<div><h3>What this does not say</h3><ul>{limits}</ul>{notes}</div></div>"
    )


def show_sources(answer):
    """Recovered target, recovered donor and re-swap; a genuine face gets words in place of an invented person."""
    genuine = answer.verdict == "genuine"
    words = "unchanged where the mask is empty" if genuine else "the photo before, a guess under the mask"
    yield show_marked("Recovered target", answer, "target", words, MISSING)
    words = "a guess at the face that was pasted in"
    yield show_marked("Recovered donor", answer, "donor", words, NO_DONOR if genuine else MISSING)
    words = "the swap made again from both recovered faces"
    if answer.reswap is not None:
        words += f": SSIM {answer.reswap['ssim']:.3f}, residual {answer.reswap['residual']:.3f} to the crop"
    yield show_marked("Re-swap check", answer, "reswap", words, NO_RESWAP if genuine else MISSING)


def show_marked(title, answer, kind, words, otherwise):
    """A panel with a marked picture, or with words where there is none."""
    image = answer.reswap_image if kind == "reswap" else getattr(answer, kind)
    if image is None or (kind in ("donor", "reswap") and not answer.names_donor):
        return show_nothing(title, otherwise)
    return show_picture(title, embed(encode_marked(image, kind, answer.model)), f"{title}, a model's guess", words)


def show_mask(answer):
    """The mask laid over the crop."""
    if answer.mask is None or answer.crop is None:
        return show_nothing("Mask on the crop", MISSING)
    data = encode_marked(tint_mask(answer.crop, answer.mask), "heatmap", answer.model)
    words = f"yellow: what was replaced, {100 * answer.mask_area:.1f} % of the crop"
    return show_picture("Mask on the crop", embed(data), "The crop in grey with the mask in yellow", words)


def show_slider(answer):
    """Input and recovered target over each other, with a slider that keyboards move, too."""
    if answer.crop is None or answer.target is None:
        return show_nothing("Before and after", MISSING)
    before = embed_png((answer.crop * 255).round().astype("uint8"))
    after = embed(encode_marked(answer.target, "target", answer.model))
    return (
        '<div class="ku-panel ku-slider"><div class="ku-frame">'
        f'<img src="{before}" alt="Input crop"><img class="ku-after" src="{after}" alt="Recovered target, a guess">'
        '<span class="ku-edge"></span></div><input type="range" min="0" max="100" value="50" '
        f'aria-label="How much of the input is shown before the recovered target" oninput="{SLIDE}">'
        '<div class="ku-ends"><span>input</span><span>recovered target</span></div>'
        "<figcaption><strong>Before and after</strong><br>left of the line the input, right of it the recovered "
        "target, a model's guess</figcaption></div>"
    )


def show_place(answer, scores, band):
    """Where the score lies among those of test photos, or why that is not shown."""
    title = "Among test photos"
    if scores is None:
        return show_nothing(title, NO_SCORES)
    from keras_uncover.demo.figures import draw_scores

    data, words = draw_scores(scores, answer.p_fake, answer.threshold, band), describe_place(scores, answer.p_fake)
    return show_picture(title, embed(data, "image/svg+xml"), f"Histogram of scores. {words}", words)


def show_picture(title, source, alternative, words):
    """A panel with a picture; ``alternative`` is read out in its place."""
    return (
        f'<figure class="ku-panel"><img src="{source}" alt="{escape(alternative)}">'
        f"<figcaption><strong>{escape(title)}</strong><br>{escape(words)}</figcaption></figure>"
    )


def show_nothing(title, words):
    """A panel with words where no picture exists."""
    return (
        f'<figure class="ku-panel"><div class="ku-none">{escape(words)}</div>'
        f"<figcaption><strong>{escape(title)}</strong></figcaption></figure>"
    )


def embed(data, kind="image/png"):
    """Bytes as a URL that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def embed_png(pixels):
    """A picture of the input alone, uint8 ``(height, width, 3)``, which needs no mark, as such a URL."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return embed(file.getvalue())
