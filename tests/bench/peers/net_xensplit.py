# SPDX-License-Identifier: MIT
"""This project's NIC without a network: netfront and netback of two processes,
both polling, an in-memory link behind the backend."""

import os

from host import Server, wait_for
from peers.base import Peer
from peers.xensplit import Control, driver_domain

POLL_US = "1000"
BACK = ("events_sent", "events_suppressed", "link_calls")
SINK, SOURCE64, SOURCE1500 = range(3)  # NICs of the guest
TARGETS = ("memory:sink", "memory:source:64", "memory:source:1500")
MTU = "1500"


def attach(host, domid, devid, *words):
    host.call(host.in_domain(0, [
        host.bin("xensplit"), "network-attach", "--wait=backend", "guest",
        f"backend=driver{domid},devid={devid}", *words]))


class XensplitFrames(Peer):
    name = "xensplit"
    is_net = True
    waits = "poll"
    config = (f"net_peer --busy --plain, xensplitd --loops 1 --poll-us "
              f"{POLL_US}, rings of a page (256), static grants")

    def __init__(self):
        self.server = None
        self.control = None

    def serves(self, case):
        return case.store == "link"

    def start(self, host, store, disks):
        domid = driver_domain(host)
        self.control = Control(host.path(f"net.{domid}.control"))
        self.server = Server(host, f"net.{domid}", host.in_domain(domid, [
            host.bin("xensplitd"), "--loops", "1", "--poll-us", POLL_US,
            "--control", self.control.path]))
        wait_for("xensplitd", 10, lambda: os.path.exists(self.control.path),
                 self.server.dead)
        for devid, target in enumerate(TARGETS):
            attach(host, domid, devid, f"link={target}", f"mtu={MTU}")

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None

    def server_pids(self):
        return self.server.pids()

    def run(self, host, case, seconds):
        devid = SINK if not case.to_guest else \
            SOURCE64 if case.size == 64 else SOURCE1500
        argv = [host.program("e2e/net_peer"), f"--devid={devid}", "--json",
                "--busy", "--plain", f"--seconds={seconds}", "--linger-ms=0"]
        argv += ["--mode=rx"] if case.to_guest else \
            ["--mode=tx", f"--size={case.size}"]
        before = self.control.counters(BACK)
        (load,), _, _ = self.clients(
            host, [host.in_domain(host.GUEST, argv)], seconds)
        after = self.control.counters(BACK)
        frames = load["rx_all" if case.to_guest else "sent"]
        per_frame = {n: (after[n] - before[n]) / max(1, frames) for n in BACK}
        return {
            "pps": frames / load["seconds"],
            "mb_s": frames * case.size / load["seconds"] / 1e6,
            "counters": {"front_kicks": load["kicks"] / max(1, frames),
                         "events_sent": per_frame["events_sent"],
                         "batch": 1 / max(1e-9, per_frame["link_calls"])},
        }
