# SPDX-License-Identifier: MIT
"""What is measured: a case is a load on a store; adding one is a line."""

import dataclasses

STORES = ("null", "memory", "tmpfs", "disk")
# Sizes of memory and files; well beyond the last-level cache, so that what is
# compared is not one cache with another.
IMAGE_BYTES = 256 << 20


@dataclasses.dataclass(frozen=True)
class Case:
    store: str
    pattern: str  # randread, randwrite, read, write
    block: int
    depth: int
    disks: int = 1
    kind: str = "load"  # or: idle, rate (requests a second in depth)

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


def all_cases():
    cases = []
    for store in STORES:
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
    return cases
