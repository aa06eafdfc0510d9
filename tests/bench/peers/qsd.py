# SPDX-License-Identifier: MIT
"""qemu-storage-daemon's vhost-user-blk export: shared memory and eventfds as
here, in virtio's words; the client is vub_client."""

import os
import shutil

from cases import IMAGE_BYTES
from host import Server, wait_for
from peers.base import Peer, combine


class Qsd(Peer):
    program = "qemu-storage-daemon"

    def __init__(self, name, poll=True):
        self.name = name
        self.poll = poll
        self.waits = "poll" if poll else "sleep"
        self.config = (
            "export in an iothread, " +
            ("QEMU's own adaptive polling; vub_client --poll" if poll else
             "poll-max-ns=0; vub_client sleeps") +
            "; event index; aio=io_uring, disk: cache.direct=on")
        self.server = None

    def missing(self, host):
        return None if shutil.which(self.program) else self.program

    def serves(self, case):
        if case.kind != "load" or case.store == "memory":
            return False
        if self.poll:
            return not (case.pattern == "randwrite" and case.depth == 128)
        return case.depth in (1, 32) and case.pattern == "randread" and \
            case.disks == 1 and case.store != "disk"

    def blockdev(self, host, store, index):
        if store == "null":
            return (f"driver=null-co,node-name=n{index},size={IMAGE_BYTES},"
                    "read-zeroes=off")
        direct = "on" if store == "disk" else "off"
        return (f"driver=raw,node-name=n{index},file.driver=file,"
                f"file.filename={host.image(store, index)},"
                f"file.locking=off,file.aio=io_uring,"
                f"cache.direct={direct},file.cache.direct={direct}")

    def start(self, host, store, disks):
        disks = disks if self.poll else 1
        argv = [self.program, "--object",
                "iothread,id=t" + ("" if self.poll else ",poll-max-ns=0")]
        self.sockets = []
        for i in range(disks):
            path = host.path(f"{self.name}{i}.sock")
            if os.path.exists(path):
                os.unlink(path)
            self.sockets.append(path)
            argv += ["--blockdev", self.blockdev(host, store, i), "--export",
                     f"type=vhost-user-blk,id=e{i},node-name=n{i},"
                     f"addr.type=unix,addr.path={path},writable=on,iothread=t"]
        self.server = Server(host, self.name, argv)
        wait_for(self.program, 10,
                 lambda: all(os.path.exists(p) for p in self.sockets),
                 self.server.dead)

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None

    def server_pids(self):
        return self.server.pids()

    def run(self, host, case, seconds):
        mode = ["--poll"] if self.poll else []
        loads, back_us, back_slept = self.clients(host, [[
            host.program("bench/vub_client"), f"--socket={path}",
            f"--rw={case.pattern}", f"--block={case.block}",
            f"--depth={case.depth}", f"--seconds={seconds}", *mode]
            for path in self.sockets[:case.disks]], seconds)
        result = combine(loads, case, back_us, back_slept)
        done = sum(x["completed"] for x in loads)
        result["counters"] = {
            "front_" + n: sum(x[n] for x in loads) / done
            for n in ("kicks_sent", "kicks_suppressed", "sleeps")
        }
        return result
