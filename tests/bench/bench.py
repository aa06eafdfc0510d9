#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make bench: xensplit's disks and NICs beside their peers, in one run.

For each store, all peers are started; for each case, in each round, each peer
runs once, after a probe of the cache-line round trip.  So what changes on the
machine during the run changes for all of them.
"""

import argparse
import fnmatch
import os
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from cases import STORES, all_cases  # noqa: E402
from host import BenchError, Host  # noqa: E402
from peers import all_peers  # noqa: E402
from peers.probes import probe  # noqa: E402
from results import OURS, Results  # noqa: E402
import report  # noqa: E402

# What a run costs besides its time under load (connecting, fio's start): a
# first guess, worth as much as so many runs that were measured.
OVERHEAD_S = 0.3
OVERHEAD_RUNS = 30
STORE_OVERHEAD_S = 5
RUN_MIN_S, RUN_MAX_S = 0.2, 1.0
PROBE_S = 0.01
BUSY_LOAD = 0.7
SYSCALLS_S = 0.2


def say(text):
    print(text, flush=True)


def matches(name, patterns):
    return not patterns or any(
        fnmatch.fnmatchcase(name, f"*{p}*") for p in patterns)


def takes(peer, case):
    return peer.is_net == (case.kind == "net") and peer.serves(case)


def arguments():
    p = argparse.ArgumentParser(prog="bench.py")
    p.add_argument("--build", default="build")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--budget", type=float, default=840,
                   help="seconds that all of it may take")
    p.add_argument("--seconds", type=float, default=0,
                   help="of one run (default: what the budget allows)")
    p.add_argument("--only", default="",
                   help="parts of cases' names, or patterns; with commas")
    p.add_argument("--peers", default="", help="names or patterns")
    p.add_argument("--list", action="store_true",
                   help="say what would run, and end")
    a = p.parse_args()
    a.only = [x for x in a.only.split(",") if x]
    a.peers = [x for x in a.peers.split(",") if x]
    return a


def perf_works():
    if not shutil.which("perf"):
        return False
    return subprocess.run(
        ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"],
        check=False, capture_output=True).returncode == 0


class Bench:
    def __init__(self, args):
        self.args = args
        self.results = Results()
        self.begin = time.monotonic()
        peers = [p for p in all_peers() if not args.peers or any(
            fnmatch.fnmatchcase(p.name, x) for x in args.peers)]
        cases = [c for c in all_cases() if matches(c.name, args.only)]
        self.plan = {}  # store -> [(case, [peer])]
        for store in STORES:
            todo = [(c, [p for p in peers if takes(p, c)])
                    for c in cases if c.store == store]
            todo = [(c, ps) for c, ps in todo if ps]
            if todo:
                self.plan[store] = todo
        self.left = sum(len(ps) for todo in self.plan.values()
                        for _, ps in todo) * args.rounds
        fixed = [sum(c.fixed) for todo in self.plan.values()
                 for c, ps in todo if c.fixed for _ in ps] * args.rounds
        # runs that last as long as they last, and how long all of them do
        self.nr_fixed = len(fixed)
        self.fixed_s = sum(fixed)
        self.stores_left = len(self.plan)
        self.overhead = OVERHEAD_S * OVERHEAD_RUNS
        self.measured = OVERHEAD_RUNS
        self.host = None
        self.failed = set()
        self.perf = False

    def list(self):
        for todo in self.plan.values():
            for case, peers in todo:
                say(f"{case.name}: {', '.join(p.name for p in peers)}")
        say(f"{self.left} runs of {self.run_seconds():.2f} s")

    def elapsed(self):
        return time.monotonic() - self.begin

    def run_seconds(self):
        """How long the runs of a case may be, so that all fit."""
        if self.args.seconds:
            return self.args.seconds
        rest = self.args.budget - self.elapsed() - \
            STORE_OVERHEAD_S * self.stores_left - \
            self.fixed_s
        runs = max(1, self.left - self.nr_fixed)
        return min(RUN_MAX_S, max(RUN_MIN_S, rest / runs -
                                      self.overhead / self.measured))

    def remaining(self):
        return (self.left - self.nr_fixed) * \
            (self.run_seconds() + self.overhead / self.measured) + \
            self.fixed_s + \
            STORE_OVERHEAD_S * self.stores_left

    def problem(self, text):
        say(f"  {text}")
        self.results.problems.append(text)

    # ---- running ----

    def run(self):
        self.host = Host(self.args.build)
        try:
            self.perf = perf_works()
            for store, todo in self.plan.items():
                self.run_store(store, todo)
        finally:
            self.host.close()

    def run_store(self, store, todo):
        say(f"{store}: starting")
        started = []
        try:
            for peer in dict.fromkeys(p for _, ps in todo for p in ps):
                disks = max(c.disks for c, ps in todo if peer in ps)
                if self.start(peer, store, disks):
                    started.append(peer)
            for case, peers in todo:
                self.run_case(case, [p for p in peers if p in started])
                for peer in peers:
                    if peer not in started:
                        self.ran(case, self.args.rounds)
        finally:
            for peer in reversed(started):
                peer.stop()
        self.stores_left -= 1

    def start(self, peer, store, disks):
        missing = peer.missing(self.host)
        if missing:
            self.problem(f"{peer.name}: no {missing} on this machine")
            return False
        try:
            peer.start(self.host, store, disks)
            return True
        except (BenchError, OSError, subprocess.SubprocessError) as e:
            self.fail(f"{store}: {peer.name} does not start: {e}", peer)
            peer.stop()
            return False

    def fail(self, text, peer):
        self.problem(text)
        self.failed.add(peer.name)

    def ran(self, case, nr=1):
        """So many runs of the case are not to come any more."""
        self.left -= nr
        if case.fixed:
            self.nr_fixed -= nr
            self.fixed_s -= nr * sum(case.fixed)

    def run_case(self, case, peers):
        seconds = case.fixed[0] if case.fixed else self.run_seconds()
        say(f"[{self.elapsed():4.0f} s, about {self.remaining():.0f} s left] "
            f"{case.name}")
        begin = self.elapsed()
        broken = set()
        for round_nr in range(self.args.rounds):
            # each goes first in turn
            turn = round_nr % max(1, len(peers))
            for peer in peers[turn:] + peers[:turn]:
                if peer not in broken and \
                        not self.run_one(case, peer, round_nr, seconds):
                    broken.add(peer)
                self.ran(case)
        for peer in peers:
            if self.perf and peer.name.startswith(OURS) and \
                    case.kind == "load" and peer not in broken:
                self.count_syscalls(case, peer)
        if case.kind == "load" and peers:
            runs = len(peers) * self.args.rounds
            self.overhead += self.elapsed() - begin - runs * seconds
            self.measured += runs
        self.show(case, peers)

    def run_one(self, case, peer, round_nr, seconds):
        try:
            line = probe(self.host, PROBE_S, "line")["round_trip_ns"]
            result = peer.run(self.host, case, seconds)
        except (BenchError, OSError, subprocess.SubprocessError) as e:
            self.fail(f"{case.name}: {peer.name}: {e}", peer)
            return False
        result["line_ns"] = line
        self.results.add(case, peer, round_nr, result)
        return True

    def count_syscalls(self, case, peer):
        try:
            calls = peer.syscalls(self.host, case, SYSCALLS_S)
        except (BenchError, OSError, subprocess.SubprocessError) as e:
            self.problem(f"{case.name}: {peer.name}: system calls: {e}")
            return
        self.results.syscalls[(case.name, peer.name)] = calls

    def show(self, case, peers):
        for peer in peers:
            if not self.results.has(case.name, peer.name):
                continue
            row = self.results.row(case.name, peer.name)
            text = f"    {peer.name:21s}"
            if case.kind == "net":
                text += f"{row['pps'] / 1e6:9.3f} M frames/s " \
                    f"{row['mb_s']:7.0f} MB/s ±{row['spread'] * 50:3.0f} %"
            elif "cpu_percent" in row:
                text += f"{row['cpu_percent']:8.2f} % of a core " + ", ".join(
                    f"{end} {row[end + '_cpu_percent']:.2f}"
                    for end in ("front", "back", "xen")
                    if end + "_cpu_percent" in row) + \
                    f"; p50 {row['p50_us']:.1f} us"
            else:
                text += f"{row['iops']:9.0f} IOPS {row['mb_s']:7.0f} MB/s " \
                    f"p50 {row['p50_us']:8.2f} p99 {row['p99_us']:8.2f} us " \
                    f"±{row['spread'] * 50:3.0f} %"
            ratio = report.ratio_text(row)
            say(text + (f"  xensplit ÷ it {ratio}" if ratio else ""))


STOLEN_PERCENT = 5


def cpu_ticks():
    """(stolen by the host, all) of all CPUs since boot."""
    with open("/proc/stat") as f:
        ticks = [int(x) for x in f.readline().split()[1:9]]
    return ticks[7], sum(ticks)


def on_signal(signum, _frame):
    # once: a second one must not cut the cleaning up short
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, signal.SIG_IGN)
    sys.exit(128 + signum)


def main():
    args = arguments()
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "..", ".."))
    bench = Bench(args)
    if args.list:
        bench.list()
        return 0
    if not bench.plan:
        print("bench: no case or peer has such a name", file=sys.stderr)
        return 64
    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, on_signal)
    say(f"{bench.left} runs, about {bench.remaining():.0f} s")
    load = os.getloadavg()[0]
    if load > BUSY_LOAD:
        bench.problem(f"the machine was busy when it began (load {load:.1f}): "
                      "do not trust the figures")
    stolen, ticks = cpu_ticks()
    bench.run()
    if not bench.results.runs:
        return 1
    after = cpu_ticks()
    percent = 100 * (after[0] - stolen) / max(1, after[1] - ticks)
    say(f"The host kept {percent:.1f} % of the CPUs' time for others.")
    if percent > STOLEN_PERCENT:
        bench.problem(f"the host kept {percent:.1f} % of the CPUs' time for "
                      "others during the run: whoever spins on two CPUs is "
                      "stopped for milliseconds, who uses one hardly is")
    out = bench.host.out_dir
    lines = report.write(bench.results, out)
    say("Targets:" if lines else "No targets in this selection.")
    for line in lines:
        say(line)
    say(f"{bench.elapsed():.0f} s; see {os.path.relpath(out)}/table.md, "
        "results.json, plot.png")
    return 1 if any(n.startswith(OURS) for n in bench.failed) else 0


if __name__ == "__main__":
    sys.exit(main())
