# SPDX-License-Identifier: MIT
"""fio on the file itself, in one process: what no split design can beat."""

import shutil

from host import CLIENT_CPU, BenchError
from peers.base import Peer


def fio_command(case, seconds, jobs, *args):
    argv = ["fio", "--output-format=json", "--group_reporting",
            "--time_based", f"--runtime={int(seconds * 1000)}ms",
            "--norandommap", "--randrepeat=0", "--lat_percentiles=1",
            "--clat_percentiles=0", "--disk_util=0", f"--rw={case.pattern}",
            f"--bs={case.block}", f"--iodepth={case.depth}",
            f"--cpus_allowed={CLIENT_CPU}", *args]
    for i, job in enumerate(jobs):
        argv += [f"--name=j{i}", *job]
    return argv


def fio_result(out, case, back_us=0.0, back_slept=0):
    job = out["jobs"][0]
    if job["error"]:
        raise BenchError(f"fio: error {job['error']}")
    d = job["write" if case.write else "read"]
    done = d["total_ios"]
    if not done:
        raise BenchError("nothing completed")
    latency = d["lat_ns"]["percentile"]
    # of all jobs together; CPU shares are of their time
    cpu_us = (job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] * 1e3
    return {
        "iops": d["iops"],
        "mb_s": d["iops"] * case.block / 1e6,
        "p50_us": latency["50.000000"] / 1e3,
        "p99_us": latency["99.000000"] / 1e3,
        "seconds": d["runtime"] / 1e3,
        "requests": done,
        "front_cpu_us": cpu_us / done,
        "back_cpu_us": back_us / done,
        "front_sleeps": job["ctx"] / done,
        "back_sleeps": back_slept / done,
    }


class Fio(Peer):
    waits = "local"

    def __init__(self, name, engine, *args):
        self.name = name
        self.engine = engine
        self.args = args
        self.config = " ".join((f"--ioengine={engine}", *args)) + \
            "; disk: --direct=1, tmpfs: page cache"

    def missing(self, host):
        return None if shutil.which("fio") else "fio"

    def serves(self, case):
        if case.kind != "load" or case.store not in ("tmpfs", "disk"):
            return False
        if case.disks > 1:
            return self.engine != "libaio"
        if self.engine == "psync":
            # it knows no depth, so deeper ones would be the same again
            return case.depth in (1, 32) or case.block > 4096
        return True

    def start(self, host, store, disks):
        self.files = [host.image(store, i) for i in range(disks)]

    def run(self, host, case, seconds):
        direct = "1" if case.store == "disk" else "0"
        outs, _, _ = self.clients(host, [fio_command(
            case, seconds, [[f"--filename={f}"]
                            for f in self.files[:case.disks]],
            f"--ioengine={self.engine}", f"--direct={direct}", *self.args)],
            seconds)
        return fio_result(outs[0], case)
