import { expect, it } from "vitest";
import { requestHeaders, responseHeaders } from "../../../../src/engine/traefik/forwarded-headers.ts";

function sent(rawHeaders: readonly string[], isTls = false): Record<string, string[]> {
  const client = { rawHeaders, host: "shop.example:8080", clientAddress: "192.0.2.9", isTls };
  return Object.fromEntries(requestHeaders(client, "traefik-1"));
}

it("says who asked for what, whatever the client says of itself", () => {
  const lies = ["Host", "x", "X-Forwarded-For", "1.2.3.4", "x-real-ip", "1.2.3.4", "X-Forwarded-Prefix", "/"];
  expect(sent(lies)).toEqual({
    "X-Forwarded-For": ["192.0.2.9"],
    "X-Forwarded-Host": ["shop.example:8080"],
    "X-Forwarded-Port": ["8080"],
    "X-Forwarded-Proto": ["http"],
    "X-Forwarded-Server": ["traefik-1"],
    "X-Real-Ip": ["192.0.2.9"],
  });
});

it("headers of the connection stay there; others keep their order and their number", () => {
  const raw = [
    "connection",
    "close, X-Hop",
    "x-hop",
    "1",
    "TE",
    "trailers, gzip",
    "keep-alive",
    "5",
    "a",
    "1",
    "a",
    "2",
  ];
  expect(sent(raw, true)).toMatchObject({ A: ["1", "2"], Te: ["trailers"], "X-Forwarded-Proto": ["https"] });
  expect(Object.keys(sent(raw))).not.toEqual(expect.arrayContaining(["X-Hop"]));
  expect(sent(raw)).not.toHaveProperty("Connection");
  expect(sent(raw)).not.toHaveProperty("Keep-Alive");
});

it("an upgrade is asked for anew, a WebSocket's names as its servers want them", () => {
  const raw = ["Connection", "keep-alive, Upgrade", "Upgrade", "websocket", "sec-websocket-key", "k"];
  expect(sent(raw)).toMatchObject({
    Connection: ["Upgrade"],
    Upgrade: ["websocket"],
    "Sec-WebSocket-Key": ["k"],
    "X-Forwarded-Proto": ["ws"],
  });
});

it("an answer loses those of its connection", () => {
  const raw = [
    "Connection",
    "X-Own",
    "X-Own",
    "1",
    "Transfer-Encoding",
    "chunked",
    "Set-Cookie",
    "a=1",
    "Set-Cookie",
    "b=2",
  ];
  expect([...responseHeaders(raw)]).toEqual([["Set-Cookie", ["a=1", "b=2"]]]);
});
