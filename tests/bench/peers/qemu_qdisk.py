# SPDX-License-Identifier: MIT
"""QEMU's Xen disk backend (Debian's, unmodified), in domain 0 of embedded Xen,
serving the frontend that xensplit's backend serves."""

import os

from cases import IMAGE_BYTES
from host import BenchError, Server, wait_for
from peers.base import Peer, combine
from peers.xensplit import POLL_US

QEMU = "/usr/libexec/xen-qemu-system-i386"
# It has no indirect requests: 11 pages a request, so a longer read is several,
# as with any frontend; as many bytes are in flight.
MAX_BLOCK = 44 << 10


class QemuQdisk(Peer):
    name = "qemu-qdisk"
    waits = "poll"
    config = ("xen-disk with an iothread (QEMU's own adaptive polling), "
              "aio=threads; memory: a file on tmpfs; requests beyond 44 KiB "
              "are split; blkfront_io --poll-us " + POLL_US)

    def __init__(self):
        self.server = None
        self.vdevs = []

    def missing(self, host):
        return None if os.access(QEMU, os.X_OK) else QEMU

    def serves(self, case):
        return case.kind == "load" and case.disks == 1 and not (
            case.pattern == "randwrite" and case.depth in (8, 128))

    def blockdev(self, host, store, index):
        if store == "null":
            return (f"driver=null-co,node-name=n{index},size={IMAGE_BYTES},"
                    "read-zeroes=off")
        path = host.image("disk" if store == "disk" else "tmpfs", index)
        direct = "on" if store == "disk" else "off"
        return (f"driver=raw,node-name=n{index},file.driver=file,"
                f"file.filename={path},file.locking=off,file.aio=threads,"
                f"cache.direct={direct},file.cache.direct={direct}")

    def start(self, host, store, disks):
        host.xen()
        argv = [QEMU, "-M", "xenpv", "-xen-attach", "-xen-domid", host.GUEST,
                "-nodefaults", "-nographic", "-monitor", "none", "-serial",
                "none", "-object", "iothread,id=t"]
        self.vdevs = [host.next_vdev()]
        for i, vdev in enumerate(self.vdevs):
            argv += ["-blockdev", self.blockdev(host, store, i), "-device",
                     f"xen-disk,vdev={vdev},drive=n{i},iothread=t"]
        self.server = Server(host, "qemu-qdisk", host.in_domain(0, argv))
        wait_for("QEMU", 10, lambda: self.offered(host), self.server.dead)

    def offered(self, host):
        try:
            paths = host.call(host.in_domain(0, [
                "xenstore-list", f"/local/domain/0/backend/qdisk/"
                f"{host.GUEST}"])).split()
            return bool(paths) and host.call(host.in_domain(0, [
                "xenstore-read", f"/local/domain/0/backend/qdisk/"
                f"{host.GUEST}/{paths[-1]}/state"])).strip() == "2"
        except BenchError:
            return False

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None

    def server_pids(self):
        return self.server.pids()

    def run(self, host, case, seconds):
        block, depth = case.block, case.depth
        if block > MAX_BLOCK:
            depth = max(1, block * depth // MAX_BLOCK)
            block = MAX_BLOCK
        loads, back_us, back_slept = self.clients(host, [host.in_domain(
            host.GUEST, [
                host.program("e2e/blkfront_io"), f"--devid={vdev}", "--json",
                f"--rw={case.pattern}", f"--block={block}",
                f"--depth={depth}", f"--seconds={seconds}",
                "--poll-us", POLL_US]) for vdev in self.vdevs], seconds)
        if any(x["errors"] for x in loads):
            raise BenchError("I/O errors")
        return combine(loads, case, back_us, back_slept)
