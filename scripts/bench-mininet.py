"""Makes HOSTS hosts on NODES nodes with Mininet's API, each on a link of its own to its node, starts the network and
prints the milliseconds that making it and taking it down took. Run as root of a user namespace."""

import sys
import time

from mininet.net import Mininet
from mininet.node import Node

hosts, nodes = int(sys.argv[1]), int(sys.argv[2])
started = time.perf_counter()
net = Mininet(controller=None, build=False)
machines = [net.addHost(f"n{index}", cls=Node) for index in range(nodes)]
for index in range(hosts):
    host = net.addHost(f"h{index}", ip=f"10.{index // 250}.{index % 250}.2/24")
    net.addLink(host, machines[index % nodes], params2={"ip": f"10.{index // 250}.{index % 250}.1/24"})
net.start()
ready = time.perf_counter()
net.stop()
print(round((ready - started) * 1000), round((time.perf_counter() - ready) * 1000))
