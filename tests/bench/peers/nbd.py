# SPDX-License-Identifier: MIT
"""NBD over a Unix socket: nbdkit and qemu-nbd, with fio's nbd engine."""

import os
import shutil

from cases import IMAGE_BYTES
from host import Server, wait_for
from peers.base import Peer
from peers.fio import fio_command, fio_result


class Nbd(Peer):
    program = "?"

    def missing(self, host):
        for program in (self.program, "fio", "nbdcopy"):
            if not shutil.which(program):
                return program
        return None

    def serves(self, case):
        return case.kind == "load" and case.disks == 1 and \
            case.depth in (1, 8, 32) and case.block <= 128 << 10 and \
            not (case.depth == 8 and case.block == 4096) and \
            case.pattern != "write"

    def command(self, host, store):
        raise NotImplementedError

    def start(self, host, store, disks):
        self.socket = host.path(f"{self.name}.sock")
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.server = Server(host, self.name, self.command(host, store))
        wait_for(self.name, 10, lambda: os.path.exists(self.socket),
                 self.server.dead)
        self.uri = f"nbd+unix:///?socket={self.socket}"
        if store == "memory":
            host.call(["nbdcopy", host.image("tmpfs"), self.uri])

    def stop(self):
        if getattr(self, "server", None):
            self.server.stop()
            self.server = None

    def server_pids(self):
        return self.server.pids()

    def run(self, host, case, seconds):
        outs, back_us, back_slept = self.clients(host, [fio_command(
            case, seconds, [[f"--uri={self.uri}"]], "--ioengine=nbd",
            f"--size={IMAGE_BYTES}")], seconds)
        return fio_result(outs[0], case, back_us, back_slept)


class Nbdkit(Nbd):
    name = program = "nbdkit"
    config = "plugins null, memory, file (page cache); fio --ioengine=nbd"

    def serves(self, case):
        # its file plugin has no O_DIRECT
        return case.store != "disk" and super().serves(case)

    def command(self, host, store):
        plugin = {"null": ["null", str(IMAGE_BYTES)],
                  "memory": ["memory", str(IMAGE_BYTES)]}.get(store)
        if not plugin:
            plugin = ["file", f"file={host.image(store)}"]
        return ["nbdkit", "-f", "-U", self.socket, *plugin]


class QemuNbd(Nbd):
    name = program = "qemu-nbd"
    config = ("aio=io_uring, disk: cache.direct=on, tmpfs: page cache; "
              "fio --ioengine=nbd")

    def serves(self, case):
        return case.store in ("tmpfs", "disk") and super().serves(case)

    def command(self, host, store):
        direct = "on" if store == "disk" else "off"
        return ["qemu-nbd", "-t", "-e", "4", "-k", self.socket,
                "--image-opts",
                f"driver=raw,file.driver=file,file.locking=off,"
                f"file.aio=io_uring,file.cache.direct={direct},"
                f"cache.direct={direct},file.filename={host.image(store)}"]
