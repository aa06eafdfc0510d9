# SPDX-License-Identifier: MIT
"""What a peer is, and how a run of one is measured."""

import json
import subprocess

from host import (CLIENT_CPU, BenchError, children, context_switches,
                  cpu_clock)


class Peer:
    """serves() says for which cases; start() is called once for a store, then
    run() for its cases in turn with other peers', then stop()."""

    name = "?"
    # "poll", "sleep", or "local": no second process
    waits = "sleep"
    config = ""
    is_net = False  # measured with NICs, else with disks

    def missing(self, host):
        """The program that is not on this machine, or None."""
        return None

    def serves(self, case):
        raise NotImplementedError

    def start(self, host, store, disks):
        raise NotImplementedError

    def run(self, host, case, seconds):
        raise NotImplementedError

    def stop(self):
        pass

    def server_pids(self):
        return []

    # ---- for run() ----

    def clients(self, host, argvs, seconds):
        """Run all at the same time on the client's CPU; their JSON outputs,
        and what the server used meanwhile."""
        pids = self.server_pids()
        cpu = sum(cpu_clock(p) for p in pids)
        slept = sum(context_switches(p) for p in pids)
        procs = []
        try:
            for argv in argvs:
                procs.append(subprocess.Popen(
                    ["taskset", "-c", CLIENT_CPU, *argv],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, env=host.env,
                    start_new_session=True))
            outs = [p.communicate(timeout=seconds + 30) for p in procs]
        except subprocess.TimeoutExpired as e:
            raise BenchError(f"no result after {seconds + 30:.0f} s") from e
        finally:
            for p in procs:
                if p.poll() is None:
                    for pid in [*children(p.pid), p.pid]:
                        subprocess.run(["kill", "-KILL", str(pid)],
                                       check=False, capture_output=True)
                    p.communicate()
        for p, (_, err) in zip(procs, outs):
            if p.returncode:
                said = err.decode(errors="replace").strip()[-500:]
                raise BenchError(f"client: status {p.returncode}: {said}")
        back_us = (sum(cpu_clock(p) for p in pids) - cpu) / 1e3
        back_slept = sum(context_switches(p) for p in pids) - slept
        try:
            # fio's nbd engine says something before it
            return [json.loads(out[out.index(b"{"):]) for out, _ in outs], \
                back_us, back_slept
        except ValueError as e:
            raise BenchError(f"client: no JSON: {outs[0][0][:200]}") from e


def combine(loads, case, back_us, back_slept, divide=None):
    """One result of the outputs of load programs that ran together: completed,
    seconds, bytes, latency_us, cpu_us, context_switches."""
    done = sum(x["completed"] for x in loads)
    if not done:
        raise BenchError("nothing completed")
    nbytes = sum(x["bytes"] for x in loads)
    seconds = max(x["seconds"] for x in loads)
    return {
        "iops": sum(x["bytes"] / x["seconds"] for x in loads) / case.block,
        "mb_s": sum(x["bytes"] / x["seconds"] for x in loads) / 1e6,
        "p50_us": sum(x["latency_us"]["p50"] for x in loads) / len(loads),
        "p99_us": max(x["latency_us"]["p99"] for x in loads),
        "seconds": seconds,
        "requests": nbytes / case.block,
        "front_cpu_us": sum(x["cpu_us"] for x in loads) / (divide or done),
        "back_cpu_us": back_us / (divide or done),
        "front_sleeps": sum(x["context_switches"] for x in loads) / done,
        "back_sleeps": back_slept / done,
    }
