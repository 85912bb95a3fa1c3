"""Requests that TF Serving answers for itself when it loads a version, so that no client waits for the first one.

A first answer costs a hundred later ones: TensorFlow rewrites each signature's graph when it is first run.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

from export.fields import CROP_SIGNATURES, CROPS, PHOTO_SIGNATURES, PHOTOS
from export.serving.assets import EXTRA
from export.serving.versions import ExportError

FILE = "tf_serving_warmup_requests"


def write_warmup(version, name, photo, size):
    """Write one request a signature into ``assets.extra/``.

    Args:
        version: folder of the SavedModel.
        name: of the model as it is served.
        photo: bytes of a photo whose answer takes every step of the road, a fake one.
        size: pixels of a crop's side.

    Raises:
        ExportError: tensorflow-serving-api is not installed.
    """
    crops = np.zeros((1, size, size, 3), "float32")
    inputs = {
        **dict.fromkeys(PHOTO_SIGNATURES, {PHOTOS: np.array([photo], object)}),
        **dict.fromkeys(CROP_SIGNATURES, {CROPS: crops}),
    }
    path = Path(version) / EXTRA / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, tensors in inputs.items():
            writer.write(make_log(name, signature, tensors).SerializeToString())


def make_log(name, signature, tensors):
    """A ``PredictionLog`` of one request."""
    try:
        from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2
    except ImportError as error:
        raise ExportError(
            "Warm-up requests are written with tensorflow-serving-api, which cannot be imported "
            f"({error}). Install the extra: pip install 'keras-uncover[serve]', or export with --no-warmup."
        ) from error
    request = predict_pb2.PredictRequest(model_spec=model_pb2.ModelSpec(name=name, signature_name=signature))
    for key, value in tensors.items():
        request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
