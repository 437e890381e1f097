import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { expect, test } from "vitest";
import { firstBytes, kindOf } from "../../../../src/engine/sidecar/first-bytes.ts";

/** What a client of node:tls says first. */
async function clientHello(protocols: string[], servername: string): Promise<Buffer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connectTls({
    port: (server.address() as AddressInfo).port,
    host: "127.0.0.1",
    servername,
    ALPNProtocols: protocols,
  });
  client.on("error", () => client.destroy());
  const [socket] = (await once(server, "connection")) as [Socket];
  const [hello] = (await once(socket, "data")) as [Buffer];
  client.destroy();
  server.close();
  return hello;
}

test("reads the name and the protocols of a ClientHello, whole only", async () => {
  const hello = await clientHello(["istio-http/1.1", "istio"], "outbound_.80_._.web.shop.svc.cluster.local");
  expect(kindOf(hello)).toEqual({
    kind: "tls",
    hello: { serverName: "outbound_.80_._.web.shop.svc.cluster.local", protocols: ["istio-http/1.1", "istio"] },
  });
  for (let length = 1; length < hello.length; length += 1) expect(kindOf(hello.subarray(0, length))).toBeUndefined();
});

test("what claims to be a ClientHello and is not is something else", () => {
  expect(kindOf(Buffer.from([0x16, 1, 1, 0, 5, 0, 0, 0, 0, 0]))).toEqual({ kind: "other" });
  const lies = Buffer.concat([Buffer.from([0x16, 3, 1, 0, 44, 1, 0, 0, 40]), Buffer.alloc(40, 0xff)]);
  expect(kindOf(lies)).toEqual({ kind: "other" });
});

test.each([
  ["GET / HTTP/1.1\r\n", "http"],
  ["OPTIONS * HTTP/1.1\r\n", "http"],
  ["GET http://web/ HTTP/1.1\r\n", "http"],
  ["GE", undefined],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "other"],
  ["PRI * HT", undefined],
  ["*1\r\n$4\r\nPING\r\n", "other"],
  ["hello there", "other"],
])("%j is %s", (text, kind) => expect(kindOf(Buffer.from(text))?.kind).toBe(kind));

test("whoever reads next gets all of it", async () => {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  client.write("GE");
  setImmediate(() => client.end("T / HTTP/1.1\r\n\r\n"));
  expect(await firstBytes(socket)).toEqual({ kind: "http" });
  const parts: Buffer[] = [];
  socket.on("data", (part: Buffer) => parts.push(part));
  socket.resume();
  await once(socket, "end");
  expect(Buffer.concat(parts).toString()).toBe("GET / HTTP/1.1\r\n\r\n");
  server.close();
});
