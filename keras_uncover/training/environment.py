"""On what a run runs: versions, the state of the code, the machine."""

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import keras

PACKAGES = ("keras-uncover", "keras", "tensorflow", "jax", "jaxlib", "numpy", "h5py", "tensorflow-datasets")


def package_versions():
    """Versions of what is installed of ``PACKAGES``."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def git_state():
    """Commit of the checkout that the code was loaded from, and whether it was changed; None where there is none."""

    def ask(*words):
        run = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=20)
        return run.stdout.strip() if run.returncode == 0 else None

    try:
        commit = ask("rev-parse", "HEAD")
        return None if commit is None else {"commit": commit, "changed": bool(ask("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.TimeoutExpired):
        return None


def describe_environment():
    """What a run notes at every start: dict for JSON."""
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "backend": keras.backend.backend(),
        "precision": keras.config.dtype_policy().name,
        "python": platform.python_version(),
        "versions": package_versions(),
        "git": git_state(),
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "devices": keras.distribution.list_devices()},
    }
