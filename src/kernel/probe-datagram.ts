import { calls } from "./libc.ts";

/** A minimal DNS query (RFC 1035): what a DNS server answers; an echo server returns it. */
const dnsQuery = Buffer.from("63690100000100000000000007636e696c616204746573740000010001", "hex");
/** agnhost's netexec answers this word over UDP; echo servers return it. */
const udpGreeting = Buffer.from("hostname\n");

/** Sends what a server answers at that port; negative where the kernel refused it. */
export function sendDatagram(fd: number, port: number): number {
  const payload = port === 53 ? dnsQuery : udpGreeting;
  return calls.send(fd, payload, payload.length, 0);
}
