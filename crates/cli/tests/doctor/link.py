"""A slow link for real: two network devices, 10.8.0.1 here and 10.8.0.2 in the name space "far", with a delay between.

Argument: the delay of one direction, in seconds.
"""

import fcntl
import heapq
import os
import select
import struct
import subprocess
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000


def device(name):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def main():
    delay = float(sys.argv[1])
    near, far = device("near1"), device("far1")
    for command in (
        "ip link set far1 netns far",
        "ip addr add 10.8.0.1/24 dev near1",
        "ip link set near1 up",
        "ip netns exec far ip addr add 10.8.0.2/24 dev far1",
        "ip netns exec far ip link set far1 up",
    ):
        subprocess.run(command.split(), check=True)
    print("ready", flush=True)
    waiting, count = [], 0
    while True:
        pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        for tun in select.select([near, far], [], [], pause)[0]:
            packet = os.read(tun, 65536)
            count += 1
            heapq.heappush(waiting, (time.monotonic() + delay, count, far if tun == near else near, packet))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, tun, packet = heapq.heappop(waiting)
            os.write(tun, packet)


main()
