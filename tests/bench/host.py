# SPDX-License-Identifier: MIT
"""What peers share: directories, images, processes, embedded Xen."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

from cases import IMAGE_BYTES

# Clients stay where they are; servers go where they or the kernel want.
CLIENT_CPU = "1"
SERVER_CPU = "0"
SERVER_CPUS = f"{SERVER_CPU},{CLIENT_CPU}"


class BenchError(Exception):
    """Something that ends a peer's part, with a reason for people."""


def wait_for(what, seconds, condition, alive=None):
    """Until condition() is true; alive() tells the log of a dead process."""
    end = time.monotonic() + seconds
    while not condition():
        if alive is not None and alive() is not None:
            raise BenchError(f"{what}: {alive()}")
        if time.monotonic() > end:
            raise BenchError(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def cpu_clock(pid):
    """CPU time of all threads of a process so far, in ns; 0 if it is gone."""
    try:
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


def context_switches(pid):
    """How often its threads went to sleep."""
    total = 0
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status",
                      encoding="ascii", errors="replace") as f:
                for line in f:
                    if line.startswith("voluntary_ctxt_switches:"):
                        total += int(line.split()[1])
    except OSError:
        pass
    return total


def children(pid):
    """All descendants of a process."""
    found, todo = [], [pid]
    while todo:
        p = todo.pop()
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children",
                          encoding="ascii") as f:
                    kids = [int(k) for k in f.read().split()]
                found += kids
                todo += kids
        except OSError:
            pass
    return found


class Server:
    """A process that serves, in a session of its own, with its log."""

    def __init__(self, host, name, argv, env=None):
        self.name = name
        self.log = os.path.join(host.run_dir, name + ".log")
        with open(self.log, "ab") as log:
            self.proc = subprocess.Popen(
                ["taskset", "-c", SERVER_CPUS, *argv], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
                env=host.env | (env or {}))
        host.servers.append(self)

    def pids(self):
        return [self.proc.pid, *children(self.proc.pid)]

    def dead(self):
        """None while it runs, else why it does not."""
        if self.proc.poll() is None:
            return None
        with open(self.log, encoding="utf-8", errors="replace") as f:
            text = f.read().strip()
        return f"ended with status {self.proc.returncode}: {text[-500:]}"

    def stop(self):
        if self.proc.poll() is None:
            self.proc.terminate()
        try:
            self.proc.wait(5)
        except subprocess.TimeoutExpired:
            try:
                os.killpg(self.proc.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.proc.wait()


class Host:
    """Everything that a run leaves on the machine, until close()."""

    GUEST = "2"

    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.out_dir = os.path.join(self.build, "bench")
        os.makedirs(self.out_dir, exist_ok=True)
        # short, because sockets' names are; in memory
        self.run_dir = tempfile.mkdtemp(prefix="xensplit-bench.",
                                        dir="/dev/shm")
        self.disk_dir = tempfile.mkdtemp(prefix="run.", dir=self.out_dir)
        self.env = dict(os.environ, LC_ALL="C",
                        XENLOCAL_RUNDIR=os.path.join(self.run_dir, "xen"))
        self.servers = []
        self.images = {}
        self.xen_started = False
        self.random = None
        self.nr_vdevs = 0
        self.nr_domains = 0

    def bin(self, name):
        return os.path.join(self.build, "bin", name)

    def program(self, name):
        return os.path.join(self.build, "tests", name)

    def path(self, name):
        return os.path.join(self.run_dir, name)

    def call(self, argv, timeout=60):
        """A command's output; BenchError with what it said if it fails."""
        done = subprocess.run(argv, stdin=subprocess.DEVNULL,
                              capture_output=True, env=self.env,
                              timeout=timeout, check=False, text=True,
                              start_new_session=True)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip())[-500:]
            raise BenchError(f"{os.path.basename(argv[0])} ended with status "
                             f"{done.returncode}: {said}")
        return done.stdout

    # ---- images ----

    def image(self, store, index=0):
        """A file of random bytes on tmpfs or disk; the same for all peers."""
        key = (store, index)
        if key not in self.images:
            where = self.disk_dir if store == "disk" else self.run_dir
            path = os.path.join(where, f"{store}{index}.img")
            if self.random is None:
                self.random = os.urandom(16 << 20)
            with open(path, "wb") as f:
                for _ in range(IMAGE_BYTES // len(self.random)):
                    f.write(self.random)
                f.flush()
                os.fsync(f.fileno())
            self.images[key] = path
        return self.images[key]

    # ---- embedded Xen ----

    def xen(self):
        """Embedded Xen with a guest; started when first asked for."""
        if self.xen_started:
            return
        self.xen_started = True
        self.call([self.bin("xenlocal"), "start"])
        self.call([self.bin("xenlocal"), "create", "--domid", self.GUEST,
                   "--name", "guest"])

    def next_vdev(self):
        """The name of a disk of the guest that is not in use yet."""
        self.nr_vdevs += 1
        return f"d{self.nr_vdevs - 1}p0"

    def next_domain(self):
        """An id that is not in use yet: after 0 and the guest's."""
        self.nr_domains += 1
        return str(self.nr_domains + int(self.GUEST))

    def in_domain(self, domid, argv):
        return [self.bin("xenlocal"), "exec", "--domid", str(domid), "--",
                *argv]

    def close(self):
        for server in reversed(self.servers):
            server.stop()
        if self.xen_started:
            subprocess.run([self.bin("xenlocal"), "stop"], env=self.env,
                           stdin=subprocess.DEVNULL, check=False,
                           stdout=subprocess.DEVNULL, timeout=60,
                           start_new_session=True)
        shutil.rmtree(self.run_dir, ignore_errors=True)
        shutil.rmtree(self.disk_dir, ignore_errors=True)
