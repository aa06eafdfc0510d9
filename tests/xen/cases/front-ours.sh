# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Our frontend in a Linux guest, on our backend.
# limit: 180
# shellcheck source=tests/xen/dom0/lib-front.sh
. /host/dom0/lib-front.sh

start_back
use_guest g1
# shellcheck disable=SC2034
DISK=script=block-xensplit CLASS=vbd
front_takes_over
front_limit
front_io
front_dies
front_detach
front_reattach
wait_for 20 no_worker "$id" || fail "a worker is left"
