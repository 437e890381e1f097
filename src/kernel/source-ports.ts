import { calls, check, lastErrno } from "./libc.ts";
import { socketAddress } from "./sockets.ts";

/** The range of ip_local_port_range (ip(7)) as Linux has it by default. */
const FIRST = 32_768;
const COUNT = 28_232;
const EADDRINUSE = 98;

/** By namespace: how many ports from the first one on have been given on this thread. */
const given = new Map<number, number>();

/**
 * Binds a datagram socket of a namespace to the port behind the one before it. The kernel draws ports at random, and now and then one
 * of seconds ago: connection tracking still has that flow (nf_conntrack_udp_timeout, 30 s), and takes the datagram for a part of it, which
 * every policy lets pass. In turn a port comes again after all others. `namespace` is any number that always stands for the socket's.
 */
export function bindInTurn(fd: number, namespace: number, family: 4 | 6): void {
  const any = family === 6 ? "::" : "0.0.0.0";
  for (let tries = 0; tries < COUNT; tries += 1) {
    const turn = given.get(namespace) ?? Math.floor(Math.random() * COUNT);
    given.set(namespace, turn + 1);
    const name = socketAddress(any, FIRST + (turn % COUNT));
    if (calls.bind(fd, name, name.length) === 0) return;
    if (lastErrno() !== EADDRINUSE) check("bind", -1, "a probe's source port");
  }
  check("bind", -1, "a probe's source port: all are taken");
}
