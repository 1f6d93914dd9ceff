#!/usr/bin/env python3
"""Compares velodrome with the oracle on seeded random inputs.

    tests/oracle/run.py [--seeds A..B] [--binary PATH] [--keep DIR]

For each seed from A to B it writes random inputs, and compares the oracle's results with those of
`batch` and of `replay`: with 1, 2 and 4 workers and as 2 processes, with and without --as-of, with other
rules, and with --merge. The files of all replays must have the same bytes. It prints
one line per seed and the first differences; the exit status is 1 if there are any.
"""

import argparse
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import oracle
import random_inputs
from compare import differences

MOST = 6  # problems printed of a seed
SECONDS = 60  # for one run of the binary


class Checker:
    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = folder
        self.problems = []
        self.status = 0  # expected of the binary

    def output(self, *arguments):
        command = [self.binary, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
        if done.returncode != self.status:
            self.problems.append(f"exit status {done.returncode}: {' '.join(command)}\n{done.stderr}")
        return done.stdout

    def seed(self, seed):
        """Checks a seed. Returns the problems."""
        self.problems = []
        shutil.rmtree(self.folder, ignore_errors=True)
        times = random_inputs.write(seed, self.folder)
        plain = [self.folder / "inputs"]
        partitions = sorted((self.folder / "partitions").iterdir())
        rules = self.folder / "rules.toml"
        self.check(plain, cluster=True)
        for number, time in enumerate(times):
            self.check(plain, as_of=time, cluster=number == 0)
        self.check(plain, rules=rules)
        self.check(plain, rules=rules, as_of=times[-1])
        self.check(partitions)  # one after the other, as one source
        self.check(partitions, merge=True, cluster=True)
        for time in merged_times(seed, self.folder, partitions):
            self.check(partitions, merge=True, as_of=time)
        return self.problems

    def check(self, paths, as_of=None, merge=False, rules=None, cluster=False):
        """Compares batch and all kinds of replay with the oracle, for one set of arguments."""
        paths = list(map(str, paths))
        expected = self.folder / "expected"
        oracle.run(expected, paths, as_of, merge, rules)
        summary = json.loads((expected / "summary.json").read_text())
        # A run that rejects lines and accepts no event fails.
        self.status = int(summary["events"] == 0 and summary["rejected"] > 0)
        arguments = [*(["--as-of", as_of] if as_of is not None else []), *(["--merge"] if merge else [])]
        arguments += ["--rules", rules] if rules else []
        outs = {}
        for name, options in {"batch": [], "w1": ["-w", 1], "w2": ["-w", 2], "w4": ["-w", 4]}.items():
            outs[name] = self.folder / name
            command = "batch" if name == "batch" else "replay"
            self.output(command, *paths, "--out", outs[name], *arguments, *options)
        if cluster:
            outs["cluster"] = self.cluster([*paths, *arguments])
        for name in ("batch", "w1"):
            for line in differences(expected, outs[name]):
                self.problems.append(f"{name} {' '.join(map(str, arguments))} {paths}: {line}")
        for name in outs.keys() - {"batch", "w1"}:
            for line in other_bytes(outs["w1"], outs[name]):
                self.problems.append(f"{name} {' '.join(map(str, arguments))} {paths}: {line}")

    def cluster(self, arguments):
        """Replays as two processes on free ports of the loopback interface. Returns the results."""
        out = self.folder / "cluster"
        hosts = self.folder / "hosts"
        sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        hosts.write_text("".join(f"127.0.0.1:{s.getsockname()[1]}\n" for s in sockets))
        for one in sockets:
            one.close()
        options = [*arguments, "--out", out, "-w", 1, "-n", 2, "--hosts", hosts]
        command = [self.binary, "replay", *map(str, options)]
        second = subprocess.Popen([*command, "-p", "1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            self.output(*command[1:], "-p", "0")
            _, errors = second.communicate(timeout=SECONDS)
            if second.returncode != self.status:
                what = f"exit status {second.returncode} of process 1: {' '.join(command)}"
                self.problems.append(f"{what}\n{errors.decode()}")
        finally:
            second.kill()
        return out


def merged_times(seed, folder, partitions):
    clocks = sorted(set(oracle.run(folder / "clocks", list(map(str, partitions)), merge=True)))
    choice = random.Random(seed)
    return [max(0, choice.choice(clocks) + choice.choice([-1, 0, 400_000])) for _ in range(2)]


def other_bytes(left, right):
    """The result files that do not have the same bytes, without the summary."""
    names = {
        str(path.relative_to(out))
        for out in (left, right)
        for path in out.rglob("*")
        if path.is_file() and path.name != "summary.json"
    }
    unequal = [name for name in sorted(names) if not equal(left, right, name)]
    return [f"{name}: other bytes than with 1 worker" for name in unequal]


def equal(left, right, name):
    paths = (left / name, right / name)
    return all(path.exists() for path in paths) and paths[0].read_bytes() == paths[1].read_bytes()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", default="1..10", metavar="A..B", help="the last seed is B")
    parser.add_argument("--binary", default="target/debug/velodrome", metavar="PATH")
    parser.add_argument("--keep", metavar="DIR", help="work here, and keep the most recent seed's files")
    arguments = parser.parse_args()
    first, last = map(int, arguments.seeds.split(".."))
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        checker = Checker(arguments.binary, Path(arguments.keep or temporary) / "seed")
        for seed in range(first, last + 1):
            problems = checker.seed(seed)
            failed += bool(problems)
            print(f"seed {seed}: {'equal' if not problems else 'DIFFERENT'}", flush=True)
            for problem in problems[:MOST]:
                print(f"  {problem}", flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
