# SPDX-License-Identifier: MIT
"""What is measured: a case is a load on a store, or on a NIC; adding one is a
line."""

import dataclasses

# What peers are started for, one after the other: stores of disks, and what
# the other end of a NIC is.
STORES = ("null", "memory", "tmpfs", "disk", "link", "tap")
DISK_STORES = STORES[:4]
# Sizes of memory and files; well beyond the last-level cache, so that what is
# compared is not one cache with another.
IMAGE_BYTES = 256 << 20


QUIET_S = 1.0  # idle and rate cases, a round: this is measured
QUIET_OVERHEAD_S = 1.1
PACKETS_S, PACKETS_OVERHEAD_S = 0.4, 0.6
TCP_S, TCP_OVERHEAD_S = 1, 0.5


@dataclasses.dataclass(frozen=True)
class Case:
    store: str
    pattern: str  # randread, randwrite, read, write
    block: int
    depth: int
    disks: int = 1
    kind: str = "load"  # or: idle, rate (requests a second in depth)

    @property
    def fixed(self):
        """Seconds of a run and besides it; None: what the budget allows."""
        return None if self.kind == "load" else (QUIET_S, QUIET_OVERHEAD_S)

    @property
    def metric(self):
        """What is compared."""
        return "iops" if self.kind == "load" else "cpu_percent"

    @property
    def write(self):
        return self.pattern.endswith("write")

    @property
    def name(self):
        if self.kind == "idle":
            return f"blk/idle/{self.store}"
        if self.kind == "rate":
            return f"blk/rate{self.depth}/{self.store}"
        size = f"{self.block >> 20}M" if self.block >= 1 << 20 else \
            f"{self.block >> 10}k"
        pattern = self.pattern if self.pattern.startswith("rand") else \
            "seq" + self.pattern
        name = f"blk/{size}-{pattern}/qd{self.depth}/{self.store}"
        return name if self.disks == 1 else f"{name}/{self.disks}disks"


@dataclasses.dataclass(frozen=True)
class NetCase:
    """Frames one way: from the guest to the driver domain, or to it."""
    store: str  # link: frames between two processes; tap: between two stacks
    size: int  # of a frame; 0: what TCP makes of it
    to_guest: bool = False
    kind: str = "net"
    disks: int = 0

    @property
    def fixed(self):
        return (TCP_S, TCP_OVERHEAD_S) if self.store == "tap" else \
            (PACKETS_S, PACKETS_OVERHEAD_S)

    @property
    def metric(self):
        return "mb_s" if self.store == "tap" else "pps"

    @property
    def name(self):
        name = "tcp-gso" if self.store == "tap" else f"{self.size}B"
        end = "tap" if self.store == "tap" else "memory"
        return f"net/{name}{'-rx' if self.to_guest else ''}/{end}"


def net_cases():
    return [NetCase("link", size, to_guest) for size in (64, 1500)
            for to_guest in (False, True)] + \
        [NetCase("tap", 0, to_guest) for to_guest in (False, True)]


def all_cases():
    cases = []
    for store in DISK_STORES:
        for pattern in ("randread", "randwrite"):
            for depth in (1, 8, 32, 128):
                cases.append(Case(store, pattern, 4096, depth))
        cases.append(Case(store, "read", 128 << 10, 8))
        cases.append(Case(store, "write", 128 << 10, 8))
        cases.append(Case(store, "read", 1 << 20, 8))
        if store in ("tmpfs", "disk"):
            cases.append(Case(store, "read", 4096, 32))
        if store == "disk":
            cases.append(Case(store, "read", 128 << 10, 32))
        else:
            for disks in (2, 4):
                cases.append(Case(store, "randread", 4096, 32, disks))
    for store in ("memory", "disk"):
        cases.append(Case(store, "randread", 4096, 1, kind="idle"))
        cases.append(Case(store, "randread", 4096, 1000, kind="rate"))
    return cases + net_cases()
