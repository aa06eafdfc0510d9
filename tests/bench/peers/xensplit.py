# SPDX-License-Identifier: MIT
"""This project: our frontend, our backend, between them embedded Xen."""

import json
import os
import shlex
import socket
import subprocess
import time

from cases import IMAGE_BYTES
from host import CLIENT_CPU, BenchError, Server, cpu_clock, wait_for
from peers.base import Peer, combine

# Counters of the backend that are shown for each request.
BACK = ("grants_mapped", "grants_unmapped", "grants_reused",
        "grant_copy_bytes", "events_received", "events_sent",
        "events_suppressed", "store_ops")
FRONT = ("kicks_sent", "kicks_suppressed", "events", "sleeps")
# How long the polling variant's frontend polls; the backend's is its default.
POLL_US = "1000"
# The frontend of the disks that are not busy: a moderate bound.
MODEST_POLL_US = "50"
# The load of a quiet run lasts so much longer than it is measured, a quarter
# of it before, the rest for a busy machine.
SETTLE_S = 1.0


def driver_domain(host):
    """A new one of embedded Xen, for an xensplitd of its own."""
    host.xen()
    domid = host.next_domain()
    host.call([host.bin("xenlocal"), "create", "--domid", domid,
               "--name", f"driver{domid}", "--driver-domain"])
    return domid


class Control:
    """xensplitd's control socket."""

    def __init__(self, path):
        self.path = path

    def counters(self, names):
        """Of all devices together."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(10)
            s.connect(self.path)
            s.sendall(b'{"command": "stats"}\n')
            answer = json.loads(s.makefile().readline())
        if "error" in answer:
            raise BenchError(f"xensplitd: {answer['error']}")
        total = dict.fromkeys(names, 0)
        for device in answer["devices"]:
            for name in names:
                total[name] += device["counters"].get(name, 0)
        return total


class Xensplit(Peer):
    def __init__(self, name, poll=True, store=None):
        self.name = name
        self.poll = poll
        self.store = store
        self.waits = "poll" if poll else "sleep"
        self.config = (
            f"blkfront_io --poll-us {POLL_US}, xensplitd --loops 1"
            if poll else
            "blkfront_io --poll-us 0, xensplitd --loops 1 --poll-us 0")
        self.server = None
        self.vdevs = []

    def serves(self, case):
        if self.store:
            return case.store == "memory" and case.pattern == "randread" and \
                case.depth == 1 and case.kind == "load"
        if case.kind == "rate":
            return self.poll or case.store == "memory"
        if case.kind == "idle":
            return self.poll
        if self.poll:
            return True
        return case.depth in (1, 32) and case.pattern == "randread" and \
            case.disks == 1 and case.store != "disk"

    # ---- set-up ----

    def start(self, host, store, disks):
        domid = driver_domain(host)
        self.control = Control(host.path(f"{self.name}.{domid}.control"))
        argv = [host.bin("xensplitd"), "--loops", "1",
                "--control", self.control.path]
        if not self.poll:
            argv += ["--poll-us", "0"]
        self.server = Server(host, f"{self.name}.{domid}",
                             host.in_domain(domid, argv))
        wait_for("xensplitd", 10, lambda: os.path.exists(self.control.path),
                 self.server.dead)
        self.vdevs = [self.attach(host, domid, store, i)
                      for i in range(disks)]
        if (self.store or store) == "memory":
            for vdev in self.vdevs:
                self.fill(host, vdev)

    def attach(self, host, domid, store, index):
        store = self.store or store
        vdev = host.next_vdev()
        if store in ("null", "memory"):
            target = f"{store}:{IMAGE_BYTES}"
        else:
            target = host.image(store, index)
        host.call(host.in_domain(0, [
            host.bin("xensplit"), "block-attach", "--wait=backend", "guest",
            f"format=raw,vdev={vdev},access=w!,backend=driver{domid},"
            f"target={target}"]))
        return vdev

    def load(self, host, vdev, *args):
        return host.in_domain(host.GUEST, [
            host.program("e2e/blkfront_io"), f"--devid={vdev}", "--json", *args])

    def fill(self, host, vdev):
        """Memory that was never written is not there yet."""
        host.call(self.load(host, vdev, "--rw=write", "--block=1m",
                            "--depth=4", f"--requests={IMAGE_BYTES >> 20}"))

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None

    # ---- measuring ----

    def server_pids(self):
        return self.server.pids()

    def counters(self):
        return self.control.counters(BACK)

    def arguments(self, case, seconds):
        if case.kind != "load":
            # idle: one request at the start, none after it
            rate = case.depth if case.kind == "rate" else .001
            return ["--rw=randread", f"--rate={rate}", "--depth=1",
                    f"--seconds={seconds}", "--poll-us",
                    MODEST_POLL_US if self.poll else "0"]
        return [f"--rw={case.pattern}", f"--block={case.block}",
                f"--depth={case.depth}", f"--seconds={seconds}",
                "--poll-us", POLL_US if self.poll else "0"]

    def commands(self, host, case, seconds):
        return [self.load(host, vdev, *self.arguments(case, seconds))
                for vdev in self.vdevs[:case.disks]]

    def run(self, host, case, seconds):
        if case.kind != "load":
            return self.run_quiet(host, case, seconds)
        before = self.counters()
        loads, back_us, back_slept = self.clients(
            host, self.commands(host, case, seconds), seconds)
        result = combine(loads, case, back_us, back_slept)
        result["counters"] = self.per_request(before, loads)
        return result

    def per_request(self, before, loads):
        after = self.counters()
        done = sum(x["completed"] for x in loads)
        if any(x["errors"] or x["mismatches"] for x in loads):
            raise BenchError("I/O errors")
        return {n: (after[n] - before[n]) / done for n in BACK} | {
            "front_" + n: sum(x["front"][n] for x in loads) / done
            for n in FRONT}

    def run_quiet(self, host, case, seconds):
        """CPU time of everything, while the disk is connected; connecting is
        not in it."""
        before = self.counters()
        client = subprocess.Popen(
            ["taskset", "-c", CLIENT_CPU,
             *self.commands(host, case, seconds + SETTLE_S)[0]],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=host.env, start_new_session=True)
        try:
            wait_for("a first request", 10, lambda:
                     self.counters()["store_ops"] > before["store_ops"],
                     client.poll)
            time.sleep(SETTLE_S / 4)
            ends = {"front": [client.pid], "back": self.server_pids(),
                    "xen": xenlocald(host)}
            cpu = {end: -cpu_of(pids) for end, pids in ends.items()}
            begin = time.monotonic_ns()
            time.sleep(seconds)
            cpu = {end: cpu[end] + cpu_of(ends[end]) for end in ends}
            elapsed = time.monotonic_ns() - begin
            out, err = client.communicate(timeout=30)
        finally:
            if client.poll() is None:
                client.kill()
                client.communicate()
        if client.returncode:
            raise BenchError(err.decode(errors="replace").strip()[-500:])
        loads = [json.loads(out)]
        result = combine(loads, case, 0, 0)
        result["counters"] = self.per_request(before, loads)
        for end, ns in cpu.items():
            result[f"{end}_cpu_percent"] = 100 * ns / elapsed
        result["cpu_percent"] = 100 * sum(cpu.values()) / elapsed
        return result

    def syscalls(self, host, case, seconds):
        """System calls a request, both ends, counted by perf in a run of its
        own; the frontend's include those of connecting."""
        front, back = host.path("front.perf"), host.path("back.perf")
        perf = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter"]
        commands = self.commands(host, case, seconds)
        pids = ",".join(map(str, self.server_pids()))
        shell = ["sh", "-c", 'for c; do eval "$c" & done; wait', "sh",
                 *(shlex.join(c) for c in commands)]
        out = host.call(["taskset", "-c", CLIENT_CPU, *perf, "-p", pids, "-o",
                         back, *perf, "-o", front, *shell], seconds + 30)
        done = sum(json.loads(line)["completed"]
                   for line in out.splitlines() if line.startswith("{"))
        if not done:
            raise BenchError("nothing completed")
        return {"front": perf_count(front) / done,
                "back": perf_count(back) / done}


def cpu_of(pids):
    return sum(map(cpu_clock, pids))


def perf_count(path):
    with open(path, encoding="utf-8") as f:
        for line in f:
            if "sys_enter" in line:
                return int(line.split(",")[0])
    raise BenchError("perf counted nothing")


def xenlocald(host):
    """Processes of embedded Xen itself."""
    pids = []
    for name in ("xenlocald.proc", "xenstored.proc"):
        try:
            with open(host.path(f"xen/{name}"), encoding="ascii") as f:
                pids.append(int(f.read().split()[0]))
        except (OSError, ValueError, IndexError):
            pass
    return pids
