# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# xl save and xl restore of a guest with I/O running: the I/O goes on in the
# restored guest, and all that was written is verified.
# limit: 180

start_back
truncate -s 64M "$DISKS/a.img"
start_guest g2 \
	"disk = [ 'script=block-xensplit,vdev=xvda,target=$DISKS/a.img' ]"
id=$(domid g2)
in_guest g2 <<'END' || fail "no load"
cat >/tmp/load <<'SCRIPT'
n=0
while [ ! -e /tmp/stop ]; do
	fio --name=job --filename=/dev/xvda --direct=1 --ioengine=libaio \
		--rw=randwrite --bsrange=4k-64k --size=16M --iodepth=16 \
		--verify=crc32c --verify_fatal=1 --output=/tmp/fio.out || {
		cat /tmp/fio.out
		exit 1
	}
	n=$((n + 1))
	echo $n >/tmp/rounds
done
SCRIPT
(
	bash /tmp/load
	echo $? >/tmp/status.new
	mv /tmp/status.new /tmp/status
) >/tmp/load.out 2>&1 </dev/null &
END
is_loaded() { [ "$(stat_of "$id/51712" write_requests)" -gt 50 ]; }
wait_for 30 is_loaded || fail "no load arrives"
xl save g2 "$DISKS/g2.save" >"$TMP/save.out" 2>&1 ||
	fail "xl save: $(cat "$TMP/save.out")"
wait_for 20 is_gone g2 || fail "the domain is left"
wait_for 20 no_worker "$id" || fail "a worker is left"
gone "$BACK_DIR/$id" || fail "backend nodes are left"
pass "saved, nothing is left"
xl restore "$DISKS/g2.save" >"$TMP/restore.out" 2>&1 ||
	fail "xl restore: $(cat "$TMP/restore.out")"
id=$(domid g2)
wait_state "$id/51712" 4
in_guest g2 <<'END' || fail "the restored guest's I/O"
pause() { read -rt 0.2 <> <(:) || :; }
rounds() { cat /tmp/rounds 2>/dev/null || echo 0; }
before=$(rounds)
until [ "$(rounds)" -gt $((before + 1)) ] || [ -e /tmp/status ]; do pause; done
touch /tmp/stop
until [ -e /tmp/status ]; do pause; done
[ "$(cat /tmp/status)" = 0 ] || { cat /tmp/load.out; dmesg | tail -n 20; false; }
END
pass "restored, I/O went on and verified"
stop_guest g2
