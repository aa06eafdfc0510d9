# SPDX-License-Identifier: MIT
"""TCP between two network namespaces: through netfront and netback with TAPs at
both ends, through a veth pair, through a plain TAP-to-TAP forwarder.  iperf3's
server is on the server's CPU, its client on the client's."""

import os
import shutil
import subprocess
import time

from host import (CLIENT_CPU, SERVER_CPUS, BenchError, Server, wait_for)
from peers.base import Peer
from peers.xensplit import Control, driver_domain

# Ours root, so that nobody needs to be root.
OWN_NET = ["unshare", "--map-root-user", "--net"]
ADDRESS = "10.78.0."
DEVID = "8"
RETRY_S = 5
MSS = 1448  # what a segment carries where nobody leaves it longer
MAC = "00:16:3e:00:00:08"


def inside(pid, argv):
    """In the network (and the user) namespace of a process."""
    return ["nsenter", "--preserve-credentials", "--user", "--net", "--target",
            str(pid), "--", *argv]


class Tcp(Peer):
    """Subclasses make two namespaces with an interface each; self.server_ns
    and self.client_ns are processes in them."""

    is_net = True

    def __init__(self):
        self.iperf = None
        self.servers = []
        self.server_ns = self.client_ns = None

    def missing(self, host):
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            return "/dev/net/tun"
        return next((p for p in ("iperf3", "unshare", "nsenter", "ip")
                     if not shutil.which(p)), None)

    def serves(self, case):
        return case.store == "tap"

    def serve(self, host, name, argv, ready=None):
        server = Server(host, f"{self.name}-{name}", argv)
        self.servers.append(server)
        wait_for(name, 15, ready or (lambda: True), server.dead)
        return server

    def holder(self, host, name, argv):
        """A process that keeps namespaces; its id."""
        mark = host.path(f"{self.name}-{name}.up")
        server = self.serve(
            host, name, [*argv, "sh", "-c", 'echo >"$0"; exec sleep infinity',
                         mark], lambda: os.path.exists(mark))
        return server.proc.pid

    def connect(self, host):
        """Make both ends; names of the two interfaces."""
        raise NotImplementedError

    def start(self, host, store, disks):
        names = self.connect(host)
        for pid, name, last in zip((self.server_ns, self.client_ns), names,
                                   "12"):
            for words in (f"link set {name} up", "link set lo up",
                          f"addr add {ADDRESS}{last}/24 dev {name}"):
                host.call(inside(pid, ["ip", *words.split()]))
        self.iperf = self.serve(host, "iperf3", inside(
            self.server_ns, ["iperf3", "-s", "--forceflush"]))
        # the interface may need a moment before it carries anything
        wait_for("a connection", 15, lambda: subprocess.run(
            inside(self.client_ns, ["ping", "-q", "-c1", "-W1",
                                    ADDRESS + "1"]),
            check=False, capture_output=True).returncode == 0,
            self.iperf.dead)

    def stop(self):
        for server in reversed(self.servers):
            server.stop()
        self.servers = []

    def iperf_run(self, host, argv, seconds):
        """Its result; the server may still be at the end of the run before."""
        end = time.monotonic() + RETRY_S
        while True:
            try:
                return self.clients(host, [argv], seconds)[0][0]
            except BenchError:
                if time.monotonic() > end:
                    raise
            time.sleep(.05)

    def run(self, host, case, seconds):
        argv = inside(self.client_ns, [
            "iperf3", "-c", ADDRESS + "1", "-J", "-t", str(seconds)])
        if case.to_guest:
            argv.append("-R")
        result = self.iperf_run(host, argv, seconds)
        try:
            mb_s = result["end"]["sum_received"]["bits_per_second"] / 8e6
        except KeyError as e:
            raise BenchError(f"iperf3: {result.get('error', e)}") from e
        if not mb_s:
            raise BenchError("iperf3: nothing arrived")
        return {"mb_s": mb_s, "pps": mb_s * 1e6 / MSS}


class Veth(Tcp):
    name = "veth"
    config = "a veth pair, default offloads"

    def connect(self, host):
        self.server_ns = self.holder(host, "server", OWN_NET)
        self.client_ns = self.holder(host, "client", [
            *inside(self.server_ns, ["unshare", "--net"])])
        host.call(inside(self.server_ns, [
            "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1",
            "netns", str(self.client_ns)]))
        return "v0", "v1"


class TapForward(Tcp):
    name = "tap-forward"
    config = ("tap_forward, a thread a direction on any CPU, vnet headers, "
              "TSO")

    def connect(self, host):
        self.server_ns = self.holder(host, "server", OWN_NET)
        self.client_ns = self.holder(host, "client", [
            *inside(self.server_ns, ["unshare", "--net"])])
        nets = [f"/proc/{pid}/ns/net"
                for pid in (self.server_ns, self.client_ns)]
        argv = inside(self.server_ns, [
            "taskset", "-c", SERVER_CPUS,
            host.program("bench/tap_forward"), "t0", nets[0], "t1", nets[1]])
        forward = self.serve(host, "forward", argv)
        wait_for("tap_forward", 10, lambda: "ready" in open(
            forward.log, encoding="utf-8").read(), forward.dead)
        return "t0", "t1"


class XensplitTap(Tcp):
    name = "xensplit"
    config = ("netfront-tap, xensplitd --loops 1 with a TAP, their default "
              "adaptive polling; in TCP cases")

    def __init__(self):
        super().__init__()
        self.control = None

    def attach(self, host, domid):
        """As a toolstack does, but with no script, which would put the TAP
        into a bridge."""
        guest = host.GUEST
        front = f"/local/domain/{guest}/device/vif/{DEVID}"
        back = f"/local/domain/{domid}/backend/vif/{guest}/{DEVID}"
        front_keys = {"backend": back, "backend-id": domid, "handle": DEVID,
                      "mac": MAC, "state": "1"}
        back_keys = {"frontend": front, "frontend-id": guest, "online": "1",
                     "handle": DEVID, "mac": MAC, "xensplit/link": "tap:t0",
                     "state": "1"}
        for path, keys, owner, reader in (
                (front, front_keys, guest, domid),
                (back, back_keys, domid, guest)):
            words = [w for k, v in keys.items() for w in (f"{path}/{k}", v)]
            host.call(host.in_domain(0, ["xenstore-write", path, "", *words]))
            host.call(host.in_domain(0, ["xenstore-chmod", "-r", path,
                                         f"n{owner}", f"r{reader}"]))

    def connect(self, host):
        domid = driver_domain(host)
        self.control = Control(host.path(f"tap.{domid}.control"))
        back = self.serve(
            host, "back", host.in_domain(domid, [
                *OWN_NET, host.bin("xensplitd"), "--loops", "1",
                "--control", self.control.path]),
            lambda: os.path.exists(self.control.path))
        self.server_ns = back.proc.pid
        self.attach(host, domid)
        log = host.path("netfront-tap.ready")
        front = Server(host, "netfront-tap", [
            "taskset", "-c", CLIENT_CPU, *host.in_domain(host.GUEST, [
                "sh", "-c", 'exec "$@" 7>"$0"', log, *OWN_NET,
                host.bin("netfront-tap"), f"--devid={DEVID}", "--name=t1",
                "--ready-fd=7"])])
        self.servers.append(front)
        wait_for("netfront-tap", 15, lambda: os.path.exists(log) and
                 os.path.getsize(log), front.dead)
        self.client_ns = front.proc.pid
        return "t0", "t1"
