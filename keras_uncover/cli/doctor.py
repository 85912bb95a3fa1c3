"""``keras-uncover doctor``: is this installation sound?"""

from keras_uncover.cli.common import DEFAULT_PRESET, DONE, FAILED, USAGE, WEIGHTS, add_command, say
from keras_uncover.escapes import to_json


def add(commands):
    """Add the command to the parser of all."""
    parser = add_command(
        commands,
        "doctor",
        "check the installation, weights, devices and memory, and answer a bundled photo",
        "Check packages, the hash of every weights file, backend, devices and memory, and answer a\n"
        "bundled photo, whose answer is known. Asks nothing outside of this machine.",
        "examples:\n  keras-uncover doctor\n  keras-uncover doctor --quick --json\n"
        "\nexit codes:\n  0  sound, with notes perhaps\n  1  a check failed\n"
        "  2  Keras's settings name a backend that this does not run on\n  4  weights are missing or altered\n",
    )
    parser.add_argument("--quick", action="store_true", help="without the backend and the self-test, in a second")
    parser.add_argument("--json", action="store_true", help="write one JSON object a check and line to stdout")
    parser.add_argument(
        "--preset", default=DEFAULT_PRESET, metavar="NAME|DIR", help="weights of the self-test (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(arguments):
    """Make the checks and tell each as it is done; returns the exit code."""
    from keras_uncover.cli.doctor_checks import FAIL, SETTINGS, checks

    failed = []
    for check in checks(arguments.preset, arguments.quick):
        if arguments.json:
            print(to_json(check.as_dict()), flush=True)
        else:
            say(f"{check.state:5} {check.name}: {check.words}")
        if check.state == FAIL:
            failed.append(check.name)
    if not arguments.json:
        say(f"failed: {', '.join(failed)}" if failed else "sound")
    if any(name.startswith("weights") for name in failed):
        return WEIGHTS
    if SETTINGS in failed:
        return USAGE
    return FAILED if failed else DONE
