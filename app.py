"""The demo as a Hugging Face Space; on a machine of your own, ``keras-uncover demo`` serves the same."""

from keras_uncover.cache import use_cache

use_cache()  # before the demo imports Matplotlib, which would write below the user's home
from keras_uncover.demo import serve  # noqa: E402

serve(host=None)
