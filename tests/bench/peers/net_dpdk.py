# SPDX-License-Identifier: MIT
"""DPDK's testpmd at both ends of a shared-memory link between two processes:
memif, and vhost with virtio-user.  Both are started once and are idle between
runs (a stopped testpmd waits for commands and does not poll)."""

import glob
import os
import re
import shutil
import subprocess
import time

from host import CLIENT_CPU, SERVER_CPU, BenchError, wait_for
from peers.base import Peer

TESTPMD = "dpdk-testpmd"
DRIVERS = "/usr/lib/*/dpdk/pmds-*/"
SETTLE_S = 0.1


class Testpmd:
    """One of them, commanded through its standard input."""

    def __init__(self, host, name, cpu, drivers, vdev):
        found = glob.glob(DRIVERS)
        if not found:
            raise BenchError("DPDK's drivers are not where they should be")
        # It would poll for ever if nobody were left to stop it; and what it
        # says is waited for, line by line.
        argv = ["setpriv", "--pdeathsig", "KILL", "stdbuf", "-oL", TESTPMD,
                f"--lcores=0@{cpu},1@{cpu}", "--no-huge", "-m", "256",
                "--no-pci", "--no-telemetry", f"--file-prefix=bench-{name}"]
        for d in ("mempool_ring", "bus_vdev", *drivers):
            argv += ["-d", f"{found[0]}librte_{d}.so"]
        argv += [f"--vdev={vdev}", "--", "-i", "--nb-cores=1",
                 "--total-num-mbufs=16384", "--no-flush-rx"]
        self.log = host.path(name + ".log")
        with open(self.log, "wb") as log:
            self.proc = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=log, stderr=log,
                env=host.env | {"RUNTIME_DIRECTORY": host.run_dir},
                start_new_session=True)

    def text(self, start=0):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()[start:]

    def dead(self):
        if self.proc.poll() is None:
            return None
        return f"testpmd ended: {self.text()[-300:]}"

    def say(self, command, answer, count=1):
        """What it printed, once that has answer so often."""
        start = len(self.text())
        try:
            self.proc.stdin.write(command.encode() + b"\n")
            self.proc.stdin.flush()
        except BrokenPipeError as e:
            raise BenchError(self.dead() or "testpmd is gone") from e
        wait_for(f"testpmd: {command}", 10, lambda: len(re.findall(
            answer, self.text(start))) >= count, self.dead)
        return self.text(start)

    def stop(self):
        try:
            self.proc.stdin.write(b"stop\nquit\n")
            self.proc.stdin.close()
        except (BrokenPipeError, ValueError):
            pass
        try:
            self.proc.wait(5)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()


class Pair(Peer):
    """testpmd txonly to testpmd rxonly, the server on the server's CPU."""

    is_net = True
    waits = "poll"

    def __init__(self):
        self.ends = []

    def missing(self, host):
        return None if shutil.which(TESTPMD) else TESTPMD

    def serves(self, case):
        return case.store == "link"

    def devices(self, host):
        """(drivers, device) of the server and of the client."""
        raise NotImplementedError

    def start(self, host, store, disks):
        for (drivers, vdev), end, cpu in zip(
                self.devices(host), ("server", "client"),
                (SERVER_CPU, CLIENT_CPU)):
            self.ends.append(Testpmd(host, f"{self.name}-{end}", cpu, drivers,
                                     vdev))
            # a client does not wait for its server
            wait_for(f"testpmd ({end})", 20, lambda: "testpmd>" in
                     self.ends[-1].text(), self.ends[-1].dead)
        for end in self.ends:
            wait_for("testpmd: the link", 20, lambda e=end: "Link status: up"
                     in e.say("show port info 0", "Link status: .*"),
                     end.dead)

    def run(self, host, case, seconds):
        server, client = self.ends
        to, fro = (client, server) if case.to_guest else (server, client)
        to.say("set fwd rxonly", "Set rxonly packet")
        fro.say("set fwd txonly", "Set txonly packet")
        fro.say(f"set txpkts {case.size}\nshow config txpkts",
                f"TX segment sizes: {case.size}|: {case.size}")
        try:
            to.say("start", "packets/burst=")
            fro.say("start", "packets/burst=")
            time.sleep(SETTLE_S)
            to.say("show port stats 0", "Tx-pps")
            time.sleep(seconds)
            said = to.say("show port stats 0", "Tx-pps")
        finally:
            fro.say("stop", "Done|not started")
            to.say("stop", "Done|not started")
        pps = int(re.search(r"Rx-pps:\s*(\d+)", said).group(1))
        if not pps:
            raise BenchError("testpmd received nothing")
        return {"pps": pps, "mb_s": pps * case.size / 1e6}

    def stop(self):
        for end in reversed(self.ends):
            end.stop()
        self.ends = []


class Memif(Pair):
    name = "dpdk-memif"
    config = "testpmd, net_memif, a queue of 1024, buffers of 2 KiB"

    def devices(self, host):
        how = f"id=0,socket={host.path('memif.sock')},socket-abstract=no," \
            "bsize=2048,rsize=10"
        return [(["net_memif"], f"net_memif0,role={role},{how}")
                for role in ("server", "client")]


class Vhost(Pair):
    name = "dpdk-vhost"
    config = "testpmd, net_vhost and net_virtio_user, a queue of 1024"

    def devices(self, host):
        path = host.path("vhost.sock")
        if os.path.exists(path):
            os.unlink(path)
        return [(["net_vhost"], f"net_vhost0,iface={path},queues=1"),
                (["net_virtio"], f"net_virtio_user0,path={path},queues=1,"
                 "queue_size=1024")]
