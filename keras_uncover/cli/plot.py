"""``keras-uncover plot``: the curves of a training run."""

import os

from keras_uncover.cli.common import DONE, FAILED, add_command, add_overwrite, check_writable, complain
from keras_uncover.escapes import for_stdout


def add(commands):
    """Add the command to the parser of all."""
    parser = add_command(
        commands,
        "plot",
        "draw the curves of a training run",
        "Draw every loss and metric of a run over its epochs, training beside validation.",
        "examples:\n  keras-uncover plot runs/mine\n  keras-uncover plot runs/mine --out curves.pdf\n"
        "\nexit codes:\n  0  drawn\n  1  the picture could not be written, or RUN has no history\n"
        "  2  the command line is wrong, or something else wrote the file that --out names\n",
    )
    parser.add_argument("folder", metavar="RUN", help="folder that train_keras.py wrote")
    parser.add_argument("--out", metavar="FILE", help="picture to write (default: RUN/curves.png)")
    add_overwrite(parser)
    parser.set_defaults(run=run, fail=parser.error)


def run(arguments):
    """Draw the curves; returns the exit code."""
    from keras_uncover.training.figures import draw_history, save_history
    from keras_uncover.training.run_folder import HISTORY, read_history

    arguments.out = arguments.out or os.path.join(arguments.folder, "curves.png")
    check_writable(arguments, "out", [os.path.join(arguments.folder, HISTORY)])

    try:
        history = read_history(arguments.folder)
        figure = draw_history(history, os.path.basename(os.path.abspath(arguments.folder)))
        save_history(figure, arguments.out)
    except ValueError as error:
        complain(error)
        return FAILED
    print(for_stdout(arguments.out))
    return DONE
