"""What a record is: its keys, ranges and splits, and what is refused of a data set. Without TensorFlow and Keras."""

from keras_uncover.refusals import DataError

SPLITS = ("train", "validation", "test")
IMAGES = ("crop", "texture", "uv", "hull")
PORTRAIT = (*IMAGES, "points", "person")  # what is read of a portrait
PAIR = ("input", "target", "donor", "donor_hull", "mask", "has_mask", "target_person", "donor_person")  # and of a fake
SCALES = {"crop": 255.0, "texture": 255.0, "hull": 255.0, "uv": 65535.0}  # the stored integer that stands for 1.0


def refuse_split(data, splits, received):
    """The error for a split that data do not have."""
    raise DataError(
        f"split must be one of {sorted(map(str, splits))} in {data}; received {received!r}. Choose one of these, or "
        "build a data set that has it: the splits of a CSV, --split and --validation decide."
    )


def check_count(data, split, count, needed):
    """Refuse a split from which no batch can be made."""
    if count < needed:
        raise DataError(
            f"Split {split} of {data} holds {count} records; a batch needs {needed} of them. Use a smaller "
            "--batch-size, or more pictures."
        )


def check_side(data, key, found, size):
    """Refuse crops of another side than a network takes. found: pixels, None where there are no such crops."""
    if found not in (None, size):
        program = "pipelines.portraits PHOTOS" if key == "crop" else "pipelines.swap_pairs DATASET"
        raise DataError(
            f"Shards must hold crops of the model's side, {size} px; {data} holds {found} px. Build others: python -m "
            f"{program} SHARDS --size {size}."
        )
