# SPDX-License-Identifier: MIT
"""Not peers but bounds: the machine's memcpy, and two processes that wake each
other."""

import json

from cases import IMAGE_BYTES
from host import CLIENT_CPU, SERVER_CPU
from peers.base import Peer


def probe(host, seconds, *args, cpus=(SERVER_CPU, CLIENT_CPU)):
    return json.loads(host.call([
        host.program("bench/probe"), f"--seconds={seconds}",
        f"--cpus={','.join(cpus)}", *map(str, args)]))


class Copy(Peer):
    name = "memcpy"
    waits = "local"
    config = "blocks of the case's size, at random of as much memory as the " \
        "store has, to as many buffers as the case's depth"

    def serves(self, case):
        return case.kind == "load" and case.store == "memory" and \
            case.pattern == "randread" and case.disks == 1

    def start(self, host, store, disks):
        pass

    def run(self, host, case, seconds):
        out = probe(host, seconds, "copy", case.block, IMAGE_BYTES,
                    case.depth)
        rate = out["completed"] / out["seconds"]
        return {"iops": rate, "mb_s": rate * case.block / 1e6,
                "p50_us": out["p50_us"], "p99_us": out["p99_us"],
                "seconds": out["seconds"], "requests": out["completed"],
                "front_cpu_us": 1e6 / rate, "back_cpu_us": 0.0,
                "front_sleeps": 0.0, "back_sleeps": 0.0}


class Timer(Peer):
    name = "timer"
    waits = "local"
    config = "one process that is woken at the rate of the case and does " \
        "nothing else: what the load generator's own pace costs"

    def serves(self, case):
        return case.kind == "rate" and case.store == "memory"

    def start(self, host, store, disks):
        pass

    def run(self, host, case, seconds):
        out = probe(host, seconds, f"--rate={case.depth}", "timer")
        n = out["turns"]
        return {"iops": n / seconds, "mb_s": 0.0, "p50_us": 0.0, "p99_us": 0.0,
                "seconds": seconds, "requests": n,
                "front_cpu_us": out["cpu_us"] / n, "back_cpu_us": 0.0,
                "front_sleeps": 1.0, "back_sleeps": 0.0,
                "cpu_percent": out["cpu_us"] / seconds / 1e4}


class Eventfd(Peer):
    name = "eventfd"
    cpus = SERVER_CPU, CLIENT_CPU
    config = "a blocking round trip between two processes on two CPUs, " \
        "nothing else"

    def serves(self, case):
        if case.kind != "load":
            return case.kind == "rate" and case.store == "memory"
        return case.store in ("null", "memory", "tmpfs") and \
            case.pattern == "randread" and case.depth == 1

    def start(self, host, store, disks):
        pass

    def run(self, host, case, seconds):
        paced = [f"--rate={case.depth}"] if case.kind == "rate" else []
        if not paced:
            seconds = min(seconds, 0.2)
        out = probe(host, seconds, *paced, "eventfd", cpus=self.cpus)
        n = out["round_trips"]
        result = {"iops": n / seconds, "mb_s": 0.0,
                  "p50_us": out["round_trip_ns"] / 1e3,
                  "p99_us": out["p99_ns"] / 1e3, "seconds": seconds,
                  "requests": n, "front_cpu_us": out["cpu_us"] / n / 2,
                  "back_cpu_us": out["cpu_us"] / n / 2, "front_sleeps": 1.0,
                  "back_sleeps": 1.0}
        if paced:
            result["cpu_percent"] = out["cpu_us"] / seconds / 1e4
        return result


class EventfdOneCpu(Eventfd):
    name = "eventfd-1cpu"
    cpus = CLIENT_CPU, CLIENT_CPU
    config = "the same with both processes on one CPU"
