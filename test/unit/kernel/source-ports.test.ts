import { expect, it } from "vitest";
import { calls } from "../../../src/kernel/libc.ts";
import { bindUdp, localEnd, openSocket } from "../../../src/kernel/sockets.ts";
import { bindInTurn } from "../../../src/kernel/source-ports.ts";

it("gives a namespace's ports in turn, each again only after all others", () => {
  const ports: number[] = [];
  for (let count = 0; count < 28_232; count += 1) {
    const fd = openSocket("udp", "127.0.0.1");
    try {
      bindInTurn(fd, -1, 4);
      ports.push(localEnd(fd)?.port ?? 0);
    } finally {
      calls.close(fd);
    }
  }
  expect(Math.min(...ports)).toBeGreaterThanOrEqual(32_768);
  expect(Math.max(...ports)).toBeLessThanOrEqual(60_999);
  // Ports that are in use on this host are passed over, so that the first ones may come again at the end.
  expect(new Set(ports).size).toBeGreaterThan(28_000);
  expect(new Set(ports.slice(0, 20_000)).size).toBe(20_000);
});

it("passes over a port on which a server listens, which would else lose its datagrams", () => {
  const probe = (): number => {
    const fd = openSocket("udp", "127.0.0.1");
    try {
      bindInTurn(fd, -2, 4);
      return localEnd(fd)?.port ?? 0;
    } finally {
      calls.close(fd);
    }
  };
  // The last of the range is followed by the first.
  let next = probe() + 1;
  if (next > 60_999) next = probe() + 1;
  const server = bindUdp("0.0.0.0", next);
  try {
    expect(probe()).not.toBe(next);
  } finally {
    calls.close(server);
  }
});
