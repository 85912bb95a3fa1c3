"""kill -9 at random moments: what is left must never be taken for whole, and a later start must complete.

    python benchmarks/hostile/kills.py VICTIM KILLS SEED FOLDER        # what kill_all starts, a process a victim

A victim's libraries are imported once; each of its runs is a fork of that process, in which TensorFlow has not started
yet. First a run that nothing disturbs: how long it takes, and what it leaves, is what the others are held against. Half
of the kills fall anywhere in that time, half after the first trace of output. No start cleans up by hand before it.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from victims import VICTIMS, Broken

CODES = {}  # how each fork ended, by its process id


def fork(function):
    """Start a function, which returns an exit code, in a fork; returns its process id. It says nothing on stdout."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.dup2(2, 1)
        code = function()
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def ended(child):
    """How a process ended: its exit code, or minus the signal; None while it runs."""
    found, status = os.waitpid(child, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def run_whole(function, words):
    """Run a function in a fork to its end; returns seconds."""
    started, child = time.perf_counter(), fork(function)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise Broken(f"{words} ended with {code}")
    return time.perf_counter() - started


def run_killed(victim, rng, seconds, after_output):
    """A run that is killed: returns whether it was, and had not ended before."""
    child = fork(victim.run)
    while after_output and ended_not(child) and not victim.begun():
        time.sleep(0.005)
    until = time.perf_counter() + rng.uniform(0, 0.3 * seconds if after_output else seconds)
    while time.perf_counter() < until:
        if not ended_not(child):
            break
        time.sleep(0.002)
    if CODES.get(child) is None:
        os.kill(child, signal.SIGKILL)
        CODES[child] = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if CODES[child] not in (0, -signal.SIGKILL):
        raise Broken(f"a start after a kill ended with {CODES[child]}")
    return CODES[child] != 0


def ended_not(child):
    """Whether a process still runs; how it ended is noted in ``CODES``."""
    CODES[child] = ended(child)
    return CODES[child] is None


def kill(name, kills, seed, folder):
    """Kill one victim so many times. Returns counts, and words on what was broken, or None."""
    victim, rng = VICTIMS[name](Path(folder)), random.Random(f"{name} {seed}")
    killed = ended_early = completed = seconds = 0
    broken = None
    try:
        if hasattr(victim, "prepare"):
            run_whole(victim.prepare, "preparing")
        seconds = run_whole(victim.run, "an undisturbed run")
        victim.remember()
        while killed < kills:
            if run_killed(victim, rng, seconds, after_output=killed % 2 == 1):
                killed += 1
                victim.check()
            else:
                ended_early += 1
                victim.finish()
        run_whole(victim.run, "the run after the last kill")
        completed = 1
        victim.finish()
    except Broken as error:
        broken = str(error)
    return {"kills": killed, "survived": killed - bool(broken), "ended_before_the_kill": ended_early,
            "completed_after": bool(completed and not broken), "undisturbed_seconds": round(seconds, 1),
            "broken": broken}


def kill_all(kills, seed, victims=None):
    """Kill the victims, each in a process of its own. Returns counts by victim, and words on what was broken."""
    found = {}
    for name in victims or VICTIMS:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, name, str(kills), str(seed), folder]
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if done.returncode:
                raise SystemExit(f"hostile: {name} ended with {done.returncode}: {done.stderr[-800:]}")
            found[name] = json.loads(done.stdout.splitlines()[-1])
            if found[name]["broken"]:
                print(done.stderr[-2000:], file=sys.stderr)
    broken = {name: each["broken"] for name, each in found.items() if each["broken"]}
    return found, f"broken: {broken}" if broken else None


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(json.dumps(kill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
