"""The page in the browser; ``serve`` opens it."""

__all__ = ["serve"]


def __getattr__(name):
    """Import on first use, so that the report and the figures can be had without the page."""
    if name != "serve":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keras_uncover.demo.app import serve

    return serve
