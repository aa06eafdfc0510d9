# SPDX-License-Identifier: MIT
"""Who is measured; adding a peer is a file and a line here."""

from peers.fio import Fio
from peers.nbd import Nbdkit, QemuNbd
from peers.net_dpdk import Memif, Vhost
from peers.net_tap import TapForward, Veth, XensplitTap
from peers.net_xensplit import XensplitFrames
from peers.probes import Copy, Eventfd, EventfdOneCpu, Timer
from peers.qemu_qdisk import QemuQdisk
from peers.qsd import Qsd
from peers.xensplit import Xensplit


def all_peers():
    return [
        Xensplit("xensplit"),
        Xensplit("xensplit-sleep", poll=False),
        # the null store beside the memory store, for the difference
        Xensplit("xensplit-null", store="null"),
        Fio("fio-io_uring", "io_uring", "--fixedbufs", "--registerfiles"),
        Fio("fio-libaio", "libaio"),
        Fio("fio-pread", "psync"),
        QemuQdisk(),
        Qsd("qsd-vhost-user"),
        Qsd("qsd-vhost-user-sleep", poll=False),
        Nbdkit(),
        QemuNbd(),
        Copy(),
        Eventfd(),
        EventfdOneCpu(),
        Timer(),
        XensplitFrames(),
        Memif(),
        Vhost(),
        XensplitTap(),
        Veth(),
        TapForward(),
    ]
