# SPDX-License-Identifier: MIT
"""What disks and NICs are to reach, measured in one run.

Each line compares results of the same round; the median of the rounds decides.
"""

import dataclasses

from results import OURS, summary

FIO = ("fio-io_uring", "fio-libaio", "fio-pread")


@dataclasses.dataclass
class Verdict:
    text: str
    limit: float
    at_most: bool
    values: list  # one a round; empty: not measured
    unit: str = ""

    @property
    def reached(self):
        if not self.values:
            return None
        median = summary(self.values)["median"]
        return median <= self.limit if self.at_most else median >= self.limit

    def line(self):
        sign = "≤" if self.at_most else "≥"
        wanted = f"{sign} {self.limit:g}{self.unit}"
        if not self.values:
            return [self.text, wanted, "-", "-", "not measured"]
        s = summary(self.values)
        return [self.text, wanted, f"{s['median']:.3g}{self.unit}",
                f"{s['min']:.3g} to {s['max']:.3g}",
                "reached" if self.reached else "**not reached**"]


def read4k(depth, store):
    return f"blk/4k-randread/qd{depth}/{store}"


def null_targets(r):
    qd1, qd32 = read4k(1, "null"), read4k(32, "null")
    yield Verdict(
        "null, depth 1: median latency, in cache-line round trips", 8, True,
        r.paired(lambda a: a["p50_us"] * 1e3 / a["line_ns"], (qd1, OURS)))
    yield Verdict(
        "null, depth 1: median latency ÷ qemu-storage-daemon's", .5, True,
        r.ratios(qd1, "qsd-vhost-user", "p50_us"))
    yield Verdict(
        "null, depth 32: IOPS ÷ qemu-storage-daemon's", 1.5, False,
        r.ratios(qd32, "qsd-vhost-user"))


def memory_targets(r):
    qd1, qd32 = read4k(1, "memory"), read4k(32, "memory")
    yield Verdict(
        "memory, depth 1: (median latency − null store's) ÷ memcpy", 2, True,
        r.paired(lambda a, b, c: (a["p50_us"] - b["p50_us"]) / c["p50_us"],
                 (qd1, OURS), (qd1, "xensplit-null"), (qd1, "memcpy")))
    yield Verdict("memory, depth 32: bytes ÷ memcpy's", .7, False,
                  r.ratios(qd32, "memcpy"))
    for depth, case in ((1, qd1), (32, qd32)):
        yield Verdict(
            f"memory, depth {depth}: IOPS ÷ QEMU's Xen backend's", 5, False,
            r.ratios(case, "qemu-qdisk"))
        yield Verdict(f"memory, depth {depth}: IOPS ÷ NBD's (nbdkit)", 10,
                      False, r.ratios(case, "nbdkit"))


def file_targets(r):
    cases = [(read4k(32, s), f"{s}, 4k depth 32") for s in ("tmpfs", "disk")]
    cases += [(f"blk/128k-seqread/qd8/{s}", f"{s}, 128k sequential read")
              for s in ("tmpfs", "disk")]
    cases += [(f"blk/128k-seqread/qd32/{s}",
               f"{s}, 128k sequential read depth 32") for s in ("disk",)]
    cases += [(f"blk/128k-seqwrite/qd8/{s}", f"{s}, 128k sequential write")
              for s in ("tmpfs", "disk")]
    for case, text in cases:
        fios = [f for f in FIO if r.has(case, f)]
        best = max(fios, key=lambda f: r.median(case, f, "iops"), default=None)
        yield Verdict(f"{text}: bytes ÷ the best fio's ({best or '?'})", .95,
                      False, r.ratios(case, best) if best else [])
    for case, text in cases:
        if "tmpfs" in case:
            yield Verdict(f"{text}: bytes ÷ qemu-storage-daemon's", 1.5,
                          False, r.ratios(case, "qsd-vhost-user"))
    qd1 = read4k(1, "tmpfs")
    yield Verdict(
        "tmpfs, depth 1: median latency − pread's", 1, True,
        r.paired(lambda a, b: a["p50_us"] - b["p50_us"], (qd1, OURS),
                 (qd1, "fio-pread")), " µs")


def sleeping_targets(r):
    qd1 = read4k(1, "null")
    yield Verdict(
        "null, depth 1, nobody polls: median latency ÷ an eventfd round trip",
        1.2, True,
        r.paired(lambda a, b: a["p50_us"] / b["p50_us"],
                 (qd1, "xensplit-sleep"), (qd1, "eventfd")))
    for store, own, who in (("memory", "memcpy", "memcpy"),
                            ("tmpfs", "pread", "fio-pread")):
        qd1 = read4k(1, store)
        yield Verdict(
            f"{store}, depth 1, nobody polls: (median latency − {own}'s) ÷ "
            "an eventfd round trip", 1.2, True,
            r.paired(lambda a, b, c:
                     (a["p50_us"] - c["p50_us"]) / b["p50_us"],
                     (qd1, "xensplit-sleep"), (qd1, "eventfd"), (qd1, who)))


def quiet_targets(r):
    for store in ("memory", "disk"):
        yield Verdict(f"{store}, idle and connected: CPU of all processes",
                      .01, True,
                      r.values(f"blk/idle/{store}", OURS, "cpu_percent"),
                      " %")
    for store in ("memory", "disk"):
        yield Verdict(f"{store}, 1,000 requests a second: CPU of all "
                      "processes, of one core", 5, True,
                      r.values(f"blk/rate1000/{store}", OURS, "cpu_percent"),
                      " %")
    # what two processes that sleep cost here, whatever they do when awake
    yield Verdict("memory, 1,000 requests a second: CPU ÷ that of as many "
                  "eventfd round trips", 1.2, True,
                  r.ratios("blk/rate1000/memory", "eventfd", "cpu_percent"))


def net_targets(r):
    for size in (64, 1500):
        for rx, way in (("", "from"), ("-rx", "to")):
            case = f"net/{size}B{rx}/memory"
            yield Verdict(f"{size}-byte frames {way} the guest, a second ÷ "
                          "DPDK memif's", 1, False,
                          r.ratios(case, "dpdk-memif"))
    for rx, way in (("", "from"), ("-rx", "to")):
        yield Verdict(f"TCP with GSO {way} the guest: bytes ÷ veth's", .8,
                      False, r.ratios(f"net/tcp-gso{rx}/tap", "veth"))


def verdicts(r):
    for group in (null_targets, memory_targets, file_targets,
                  sleeping_targets, quiet_targets, net_targets):
        yield from group(r)
