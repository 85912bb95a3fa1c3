"""Which errors are the user's to mend, and how a program ends with one: an exit code and one sentence, no traceback.

``explain`` decides it for all programs. An error that it does not know is a bug of ours and keeps its traceback.
"""

from keras_uncover.process import tell

FAILED, USAGE, REFUSED, INTERRUPTED = 1, 2, 3, 130
# TensorFlow and JAX are not imported to ask: an error is told by the name of its class and by its words.
FULL_DISK = "No space left on device"
ON_DISK = ("No such file or directory", "Permission denied", "Read-only file system")
OUT_OF_MEMORY = ("RESOURCE_EXHAUSTED", "CUDA_ERROR_OUT_OF_MEMORY", "out of memory", "OOM when allocating")
EXTRAS = {
    "tensorflow_datasets": "data", "etils": "data", "tqdm": "data", "apache_beam": "beam", "tf2onnx": "onnx",
    "onnxruntime": "onnx", "ai_edge_litert": "litert", "tensorflow_serving": "serve", "grpc": "serve",
    "requests": "serve", "jax": "jax", "gradio": "demo", "playwright": "browser",
}


class Refusal(Exception):
    """An error whose message says the rule, what was received and the way out; the base of all such errors.

    Attributes:
        exit_code: what a program ends with that met it.
    """

    exit_code = FAILED
    # Not that of ValueError, which some inherit, too: where tf.data traces our code, TensorFlow raises anew what has
    # this one, and makes its own StagingError of all others.
    __init__ = Exception.__init__


class OptionError(Refusal, ValueError):
    """Options, or arguments of a function, that make no sense or do not go together."""

    exit_code = USAGE


class DataError(Refusal, ValueError):
    """Data that cannot be worked with: of another kind or size, too few, without the split that is asked for."""

    exit_code = REFUSED


class DamagedData(DataError):
    """A file of the data that is missing, cut or damaged."""


def explain(error):
    """What to say of an error that is the user's.

    Args:
        error: an exception.

    Returns: exit code and sentence, or None for a bug.
    """
    if isinstance(error, Refusal):
        return error.exit_code, own_words(error)
    words, kind = first_line(error), type(error).__name__
    if isinstance(error, OSError):
        return FAILED, str(error)
    if isinstance(error, ModuleNotFoundError) and str(error.name).split(".")[0] in EXTRAS:
        extra = EXTRAS[error.name.split(".")[0]]
        return FAILED, f'This needs the extra [{extra}]; received: {words}. Use python -m pip install ".[{extra}]".'
    if kind in ("ResourceExhaustedError", "OpError", "InternalError", "UnknownError") and FULL_DISK in str(error):
        return FAILED, f"A file could not be written; received: {words}. Make room or choose another disk."
    if kind in ("PermissionDeniedError", "NotFoundError") and any(reason in str(error) for reason in ON_DISK):
        return FAILED, f"A file could not be opened; received: {words}. Check its path and your access."
    if is_out_of_memory(error):
        return FAILED, (
            f"The memory must hold all that is worked on at a time; received: {words}. Use a smaller --batch-size or "
            "--preset where there is one, or a device with more memory."
        )
    if kind == "DataLossError":
        return REFUSED, f"A file of the data is cut or damaged; received: {words}. Make or copy it again."
    return None


def own_words(error):
    """A refusal's message without the places that TensorFlow lists before it."""
    words = str(error).strip()
    return words.rsplit(f"{type(error).__name__}: ", 1)[-1].strip() if words.startswith("in user code:") else words


def is_out_of_memory(error):
    """Whether the memory of the machine or of an accelerator did not suffice."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    # What XLA and CUDA meet comes under several names.
    foreign = type(error).__module__.split(".")[0] in ("tensorflow", "jax", "jaxlib")
    return foreign and any(words in str(error) for words in OUT_OF_MEMORY)


def first_line(error):
    """The first line of an error's words, at most 200 characters, without a full stop; its class where it has none.

    TensorFlow and Keras put a heading and the node of the graph around what matters.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("Graph execution error", "Detected at node"))] or [""]
    known = [line for line in lines if any(words in line for words in OUT_OF_MEMORY)]
    return (known or lines)[0][:200].rstrip(".") or type(error).__name__


def end_in_words(name, main, *arguments):
    """Run a program.

    Args:
        name: of the program, which begins the sentence.
        main: its function; what it returns is the exit code, None stands for 0.
        arguments: of ``main``.

    Returns: the exit code.

    Raises: whatever is a bug.
    """
    try:
        return main(*arguments) or 0
    except KeyboardInterrupt:
        tell(f"{name}: interrupted")
        return INTERRUPTED
    except Exception as error:
        found = explain(error)
        if found is None:
            raise
        tell(f"{name}: {found[1]}")
        return found[0]
