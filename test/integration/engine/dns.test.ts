import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect, type AddressInfo, type Server } from "node:net";
import type { Socket as DatagramSocket } from "node:dgram";
import { promisify } from "node:util";
import { decode, encode } from "dns-packet";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildZone } from "../../../src/engine/nameserver/records.ts";
import { dnsDatagramServer, dnsStreamServer, type ZoneSource } from "../../../src/engine/nameserver/server.ts";
import { zoneFacts } from "../../../src/engine/nameserver/zone-facts.ts";
import { ObjectStore } from "../../../src/engine/store/store.ts";
import type { KubeObject } from "../../../src/kube/types.ts";

const run = promisify(execFile);
/** Of the loopback network, so that no other test has its ports. */
const ADDRESS = `127.53.${(process.pid >> 8) & 255}.${process.pid & 255}`;

const source: ZoneSource = { current: undefined };
let udp: DatagramSocket;
let tcp: Server;
let port: number;

beforeAll(async () => {
  const store = new ObjectStore();
  for (const object of objects()) store.create(object);
  source.current = buildZone(zoneFacts(store, { dnsAddress: "10.96.0.10", dnsDomain: "cluster.local" }));
  tcp = dnsStreamServer(source);
  tcp.listen(0, ADDRESS);
  await once(tcp, "listening");
  port = (tcp.address() as AddressInfo).port;
  udp = dnsDatagramServer(source, "udp4");
  udp.bind(port, ADDRESS);
  await once(udp, "listening");
});

afterAll(async () => {
  udp.close();
  tcp.close();
  await once(tcp, "close");
});

/** dig's output; its exit code is 0 for every response that it could read. */
async function dig(...args: string[]): Promise<string> {
  const common = [`@${ADDRESS}`, "-p", String(port), "+tries=1", "+time=2"];
  return (await run("dig", [...common, ...args])).stdout;
}

async function short(...args: string[]): Promise<string[]> {
  return (await dig("+short", ...args)).trimEnd().split("\n").toSorted();
}

describe("dig asks the cluster's DNS", () => {
  test("for an address, and is told that it is authoritative and does not recurse", async () => {
    const output = await dig("web.shop.svc.cluster.local", "A");
    expect(output).toMatch(/status: NOERROR/);
    expect(output).toMatch(/flags: qr aa rd; QUERY: 1, ANSWER: 1/);
    expect(output).toMatch(/web\.shop\.svc\.cluster\.local\.\s+30\s+IN\s+A\s+10\.96\.0\.20/);
    expect(output).not.toMatch(/malformed|mismatch|extra bytes/i);
  });

  test("for a family that a Service has not", async () => {
    const output = await dig("web.shop.svc.cluster.local", "AAAA");
    expect(output).toMatch(/status: NOERROR/);
    expect(output).toMatch(/ANSWER: 0, AUTHORITY: 1/);
    expect(output).toMatch(/cluster\.local\.\s+30\s+IN\s+SOA\s+ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\./);
  });

  test("for a port, and gets the target's address with it", async () => {
    const output = await dig("_http._tcp.web.shop.svc.cluster.local", "SRV");
    expect(output).toMatch(/IN\s+SRV\s+0 100 80 web\.shop\.svc\.cluster\.local\./);
    expect(output).toMatch(/ADDITIONAL SECTION:\nweb\.shop\.svc\.cluster\.local\.\s+30\s+IN\s+A\s+10\.96\.0\.20/);
  });

  test("for the name of an address", async () => {
    expect(await short("-x", "10.96.0.20")).toEqual(["web.shop.svc.cluster.local."]);
    expect(await short("-x", "10.244.1.1")).toEqual(["10-244-1-1.many.shop.svc.cluster.local."]);
  });

  test("for a name that is not there", async () => {
    expect(await dig("missing.shop.svc.cluster.local")).toMatch(/status: NXDOMAIN.*\n.*ANSWER: 0, AUTHORITY: 1/);
  });

  test("for an alias", async () => {
    expect(await short("outside.shop.svc.cluster.local")).toEqual(["www.example.com."]);
  });

  test("for a name outside the cluster, and is told at once that nobody knows", async () => {
    expect(await dig("www.example.com")).toMatch(/status: SERVFAIL/);
  });

  test("over TCP", async () => {
    const output = await dig("+tcp", "web.shop.svc.cluster.local");
    expect(output).toMatch(/\(TCP\)/);
    expect(output).toMatch(/10\.96\.0\.20/);
  });

  test("for more addresses than a datagram holds, and asks again over TCP", async () => {
    const cut = await dig("+noedns", "+ignore", "many.shop.svc.cluster.local");
    expect(cut).toMatch(/flags: qr aa tc rd/);
    expect(Number(/MSG SIZE\s+rcvd: (\d+)/.exec(cut)?.[1])).toBeLessThanOrEqual(512);
    const whole = await dig("+bufsize=512", "many.shop.svc.cluster.local");
    expect(whole).toMatch(/Truncated, retrying in TCP mode/);
    expect(whole).toMatch(/ANSWER: 100,/);
    expect(await dig("+bufsize=4096", "many.shop.svc.cluster.local")).toMatch(/ANSWER: 100,[^]*\(UDP\)/);
  });
});

describe("a TCP connection", () => {
  test("takes several queries at once, in pieces, and answers them in order", async () => {
    const queries = ["web", "many", "missing"].map((name, id) =>
      framed(encode({ id, questions: [{ type: "A", name: `${name}.shop.svc.cluster.local` }] })),
    );
    const bytes = Buffer.concat(queries);
    const socket = connect(port, ADDRESS);
    await once(socket, "connect");
    socket.setNoDelay(true);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    for (const end of [1, 3, 40, bytes.length]) {
      const start = end === 1 ? 0 : end === 3 ? 1 : end === 40 ? 3 : 40;
      await new Promise<void>((resolve) => socket.write(bytes.subarray(start, end), () => resolve()));
    }
    socket.end();
    await once(socket, "close");
    expect(unframed(Buffer.concat(chunks)).map(({ id, answers }) => [id, answers?.length])).toEqual([
      [0, 1],
      [1, 100],
      [2, 0],
    ]);
  });

  test("that sends what is no query is closed", async () => {
    const socket = connect(port, ADDRESS);
    socket.resume();
    socket.write(framed(Buffer.alloc(5)));
    await once(socket, "close");
    expect(socket.bytesRead).toBe(0);
  });
});

function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

function unframed(bytes: Buffer): ReturnType<typeof decode>[] {
  const messages: ReturnType<typeof decode>[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const end = offset + 2 + bytes.readUInt16BE(offset);
    messages.push(decode(bytes.subarray(offset + 2, end)));
    offset = end;
  }
  return messages;
}

function objects(): KubeObject[] {
  const meta = (name: string): KubeObject["metadata"] => ({ name, namespace: "shop" });
  const service = (name: string, spec: Record<string, unknown>): KubeObject => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: meta(name),
    spec,
  });
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } },
    service("web", { clusterIP: "10.96.0.20", clusterIPs: ["10.96.0.20"], ports: [{ name: "http", port: 80 }] }),
    service("many", { clusterIP: "None", ports: [{ name: "http", port: 80 }] }),
    service("outside", { type: "ExternalName", externalName: "www.example.com" }),
    {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { ...meta("many-1"), labels: { "kubernetes.io/service-name": "many" } },
      addressType: "IPv4",
      endpoints: Array.from({ length: 100 }, (_, index) => ({ addresses: [`10.244.1.${index + 1}`] })),
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    },
  ];
}
