# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Disks come and go while another one is under load; then the one under load
# itself is taken away from its users.
# limit: 240

start_back
use_guest g1
id=$(domid g1)
grants=$(mapped_grants "$id") ports=$(ports "$id" 0)
truncate -s 64M "$DISKS/a.img" "$DISKS/b.img"
give_disk g1 51712 "$DISKS/a.img"
in_guest g1 <<'END' || fail "no load"
rm -f /tmp/stop /tmp/status
cat >/tmp/load <<'SCRIPT'
while [ ! -e /tmp/stop ]; do
	fio --name=job --filename=/dev/xvda --direct=1 --ioengine=libaio \
		--rw=randwrite --bs=16k --size=8M --iodepth=16 \
		--verify=crc32c --verify_fatal=1 --output=/tmp/fio.out || {
		cat /tmp/fio.out
		exit 1
	}
done
SCRIPT
(
	bash /tmp/load
	echo $? >/tmp/status
) >/tmp/load.out 2>&1 </dev/null &
END
for round in 1 2 3 4; do
	give_disk g1 51728 "$DISKS/b.img"
	in_guest g1 "dd if=/dev/zero of=/dev/xvdb bs=64k count=16 oflag=direct \
		2>/dev/null" || fail "round $round: the new disk"
	detach "$id" 51728
	refuses "round $round: gone again" guest_has g1 xvdb
done
in_guest g1 <<'END' || fail "the load beside it failed"
touch /tmp/stop
until [ -e /tmp/status ]; do read -rt 0.2 <> <(:) || :; done
cat /tmp/load.out
[ "$(cat /tmp/status)" = 0 ]
END
pass "the load beside it verified"

# under load, without asking its users
in_guest g1 "rm -f /tmp/status; (fio --name=job --filename=/dev/xvda \
	--direct=1 --ioengine=libaio --rw=randwrite --bs=16k --size=64M \
	--iodepth=32 --time_based --runtime=10000 --output=/tmp/fio.out
	echo \$? >/tmp/status) >/dev/null 2>&1 </dev/null &" || fail "no load"
had=$(stat_of "$id/51712" write_requests)
is_loaded() { [ "$(stat_of "$id/51712" write_requests)" -gt $((had + 50)) ]; }
wait_for 30 is_loaded || fail "no load arrives"
detach "$id" 51712
in_guest g1 <<'END' || fail "the load on the lost disk"
until [ -e /tmp/status ]; do read -rt 0.2 <> <(:) || :; done
[ "$(cat /tmp/status)" != 0 ]
END
pass "its user got errors and ended"
nothing_left_of g1 "$id" "$grants" "$ports"
pass "nothing is left"
