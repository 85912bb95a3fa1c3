"""The demo as a Hugging Face Space; on a machine of your own, ``keras-uncover demo`` serves the same."""

from keras_uncover.demo import serve

serve(host=None)
