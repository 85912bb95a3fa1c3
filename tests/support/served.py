"""The demo served with a stand-in for the model, for tests that ask it as a program or as a person does."""

import contextlib
import warnings

from stand_in import ByBrightness, photo

from keras_uncover.inference.scores import count_scores


@contextlib.contextmanager
def served(folder, **options):
    """Serve the demo on a free port of this machine; gives the page, whose ``local_url`` says where."""
    from keras_uncover.demo.app import serve

    samples = folder / "samples"
    photo(str(samples / "bright.jpg"))
    config = {"measured": {"scores": count_scores([0.05, 0.1, 0.3], [0.4, 0.9, 0.99])}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the web server's own libraries
        page = serve(lambda: ByBrightness(None, config), samples=samples, block=False, **options)
        try:
            yield page
        finally:
            page.close(verbose=False)
