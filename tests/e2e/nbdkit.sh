#!/bin/bash
# SPDX-License-Identifier: MIT
#
# A PV disk as an NBD export: nbdkit with our plugin in a guest, used by
# clients that know nothing of Xen.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/lib-xensplitd.sh
. "$(dirname "$0")/lib-xensplitd.sh"

PLUGIN=$BUILD/lib/nbdkit-xensplit-plugin.so

need nbdkit nbdcopy nbdinfo qemu-img fio python3
start_xen
start_back --log-level info

# nbd OPTION... COMMAND: COMMAND in the guest, with $uri
nbd()
{
	in_dom 2 nbdkit -U - -t 32 "$PLUGIN" vdev=xvda wait=10 \
		"${@:1:$#-1}" --run "${*: -1}"
}

truncate -s 64M "$TMP/a.img"
attach 2 51712 "$TMP/a.img" dev xvda

# shellcheck disable=SC2016
nbd 'nbdinfo "$uri"' >"$TMP/info" || fail "nbdinfo"
for line in 'export-size: 67108864' 'can_flush: true' 'can_fua: true' \
	'can_multi_conn: true' 'can_trim: true' 'is_rotational: false' \
	'block_size_minimum: 512'; do
	grep -q "$line" "$TMP/info" || fail "nbdinfo does not say '$line'"
done
pass "properties"

head -c 48M /dev/urandom >"$TMP/data"
truncate -s 64M "$TMP/data"
# shellcheck disable=SC2016
nbd queues=2 'nbdcopy '"$TMP/data"' "$uri" &&
	nbdcopy "$uri" '"$TMP/back"' &&
	qemu-img compare -f raw -F raw '"$TMP/data"' "$uri"' || fail "copy"
cmp "$TMP/data" "$TMP/back" || fail "what was read is not what was written"
cmp "$TMP/data" "$TMP/a.img" || fail "the image is not what was written"
pass "nbdcopy and qemu-img"

# shellcheck disable=SC2016
nbd queues=4 'fio --name=v --ioengine=nbd --uri="$uri" --rw=randwrite \
	--bs=4k --iodepth=32 --size=16m --verify=crc32c --verify_state_save=0 --verify_fatal=1 \
	--output-format=json --output='"$TMP/fio.json" || fail "fio"
pass "fio verifies at iodepth 32"

# A client that does not ask for block sizes: any byte may be written, and
# writers within one sector do not undo each other.
cat >"$TMP/bytes.py" <<'END'
import os, random, socket, struct, sys, threading

class Client:
    def __init__(self):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(sys.argv[1])
        self.read(152)
    def read(self, n):
        b = b""
        while len(b) < n:
            x = self.s.recv(n - len(b))
            assert x
            b += x
        return b
    def cmd(self, op, offset, length, data=b""):
        self.s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, op, 1, offset,
                                   length) + data)
        _, err, _ = struct.unpack(">IIQ", self.read(16))
        assert err == 0, err
        return self.read(length) if op == 0 else None

c = Client()
model = bytearray(c.cmd(0, 0, 1 << 20))
r = random.Random(3)
for i in range(200):
    at = r.randrange(1 << 20)
    data = os.urandom(min(r.randrange(1, 5000), (1 << 20) - at))
    c.cmd(1, at, len(data), data)
    model[at:at + len(data)] = data
    at = r.randrange(1 << 20)
    n = min(r.randrange(1, 9000), (1 << 20) - at)
    assert c.cmd(0, at, n) == model[at:at + n]
assert c.cmd(0, 0, 1 << 20) == bytes(model)

def writer(k):
    c = Client()
    for i in range(50):
        c.cmd(1, (2 << 20) + k * 100 + i % 5 * 4096, 100, bytes([k + 1]) * 100)
threads = [threading.Thread(target=writer, args=(k,)) for k in range(5)]
for t in threads: t.start()
for t in threads: t.join()
want = b"".join(bytes([k + 1]) * 100 for k in range(5))
for page in range(5):
    assert c.cmd(0, (2 << 20) + page * 4096, 500) == want
END
# shellcheck disable=SC2016
nbd -o 'python3 '"$TMP/bytes.py"' "$unixsocket"' || fail "bytes"
pass "any byte, by several writers"

if in_dom 2 nbdkit -f -U - "$PLUGIN" vdev=xvdq wait=1 >"$TMP/err" 2>&1; then
	fail "a disk that is not there was opened"
fi
grep -q 'no such device' "$TMP/err" || fail "no reason: $(cat "$TMP/err")"
pass "a disk that is not there is said to be so"

# A store that takes 200 ms: one request after the other would be at most 5 a
# second, on any machine.  A busy one is slower, so not all 32 are insisted on.
nbdkit -U "$TMP/slow" -P "$TMP/slow.pid" -t 64 --filter=delay memory 8M \
	rdelay=200ms || fail "nbdkit with a delay"
attach 2 51728 "nbd:unix:$TMP/slow" dev xvdb
# shellcheck disable=SC2016
nbd vdev=xvdb 'fio --name=d --ioengine=nbd --uri="$uri" --rw=randread \
	--bs=4k --iodepth=32 --size=1m \
	--output-format=json --output='"$TMP/fio.json" || fail "fio, slow store"
iops=$(python3 -c 'import json, sys
print(int(json.load(open(sys.argv[1]))["jobs"][0]["read"]["iops"]))' \
	"$TMP/fio.json")
[ "$iops" -ge 20 ] || fail "only $((iops / 5)) requests are in flight"
pass "at least $((iops / 5)) of 32 requests are in flight"
ask_detach 2 51728
detached 2 51728
kill "$(cat "$TMP/slow.pid")"

ask_detach 2 51712
detached 2 51712
stop_back
pass "detached"
