"""The names of the SavedModel's signatures, inputs and outputs, once, for the graph and the client. It imports nothing.

A place of a batch without a face holds what ``NONE`` says, and so does a face for what it has none of.
"""

PHOTOS, CROPS = "photo_bytes", "crops"  # the inputs
FACES = "faces"  # the signature that the client asks
PHOTO_SIGNATURES, CROP_SIGNATURES = ("serving_default", FACES, "detect"), ("crops", "embed")

PICTURES = ("crop", "mask", "target", "donor", "reswap")
PICTURE_FIELDS = tuple(f"{name}_png_bytes" for name in PICTURES)
# A share is never below 0.
NONE = {
    "verdict": "", "warnings": "", "p_fake": -1.0, "mask_area": -1.0, "reswap_ssim": -1.0, "reswap_residual": -1.0,
    **dict.fromkeys(PICTURE_FIELDS, ""),
}
FACE_FIELDS = ("found", "bbox", *(name for name in NONE if name not in PICTURE_FIELDS))
PHOTO_FIELDS = ("count", "faces_found", "faces_unsure", "threshold", "model", "error_rates", "error", "error_code")
FIELDS = FACE_FIELDS + PHOTO_FIELDS
