import { createSocket } from "node:dgram";
import { isIP } from "node:net";
import { decode, encode, RECURSION_DESIRED, type DecodedPacket } from "dns-packet";
import { bindInTurn } from "../../kernel/source-ports.ts";
import type { NetworkNamespace } from "../../kernel/namespace.ts";
import { openSocket } from "../../kernel/sockets.ts";

/** What a program finds in its /etc: the texts of resolv.conf(5) and hosts(5). */
export interface ResolverFiles {
  resolvConf: string;
  hosts: string;
}

/** A name that did not resolve, in the words of Go's net.DNSError. */
export class LookupError extends Error {}

/** Defaults of resolv.conf(5), which pods' files leave as they are. */
const TIMEOUT_MS = 5000;
const ATTEMPTS = 2;
const DNS_PORT = 53;
/** What Go's resolver says that it takes. */
const UDP_PAYLOAD_BYTES = 1232;
const NXDOMAIN = 3;
const NOERROR = 0;
const RCODE = 0xf;
const TYPES = ["A", "AAAA"] as const;

interface ResolvConf {
  nameservers: string[];
  searches: string[];
  ndots: number;
}

function parseResolvConf(text: string): ResolvConf {
  const found: ResolvConf = { nameservers: [], searches: [], ndots: 1 };
  for (const line of text.split("\n")) {
    const [keyword, ...words] = line.trim().split(/\s+/);
    if (keyword === "nameserver") found.nameservers.push(...words.slice(0, 1));
    if (keyword === "search") found.searches = words;
    const ndots = keyword === "options" ? words.findLast((word) => /^ndots:\d+$/.test(word)) : undefined;
    if (ndots !== undefined) found.ndots = Number(ndots.slice("ndots:".length));
  }
  return found;
}

function fromHosts(text: string, name: string): string[] {
  const wanted = name.toLowerCase();
  return text.split("\n").flatMap((line) => {
    const [address = "", ...names] = (line.split("#")[0] ?? "").trim().split(/\s+/);
    return names.some((each) => each.toLowerCase() === wanted) && isIP(address) !== 0 ? [address] : [];
  });
}

/** The names that are asked for, in their order (Go's dnsConfig.nameList). */
function candidates(name: string, { searches, ndots }: ResolvConf): string[] {
  if (name.endsWith(".")) return [name.slice(0, -1)];
  const listed = searches.map((search) => `${name}.${search.replace(/\.$/, "")}`);
  return name.split(".").length - 1 >= ndots ? [name, ...listed] : [...listed, name];
}

/**
 * Addresses of a name as a Go program in the network finds them: hosts(5), then its name servers by UDP, through the network itself, so that
 * policies and faults count. IPv4 first. Rejects with {@link LookupError}; `signal` gives up.
 */
export async function lookup(
  network: NetworkNamespace,
  files: ResolverFiles,
  name: string,
  signal: AbortSignal,
): Promise<string[]> {
  const known = fromHosts(files.hosts, name);
  if (known.length > 0) return known;
  const config = parseResolvConf(files.resolvConf);
  let failure: LookupError | undefined;
  for (const candidate of candidates(name, config)) {
    try {
      const addresses = await askServers(network, config, candidate, signal);
      if (addresses.length > 0) return addresses;
    } catch (error) {
      if (!(error instanceof LookupError)) throw error;
      // What the name by itself fails with counts only where it is the first (goLookupIPCNAMEOrder).
      if (failure === undefined || candidate !== name) failure = new LookupError(`lookup ${name} ${error.message}`);
    }
    signal.throwIfAborted();
  }
  throw failure ?? new LookupError(`lookup ${name}: no such host`);
}

/** Every server twice, until one answers (Go's Resolver.tryOneName). */
async function askServers(
  network: NetworkNamespace,
  { nameservers }: ResolvConf,
  name: string,
  signal: AbortSignal,
): Promise<string[]> {
  let failure = new LookupError("on 127.0.0.1:53: no name server");
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    for (const server of nameservers) {
      try {
        const replies = await exchange(network, server, name, signal);
        if (replies.every(({ flags }) => ((flags ?? 0) & RCODE) === NXDOMAIN))
          throw new NoSuchHost(`on ${server}:${DNS_PORT}: no such host`);
        if (replies.every(({ flags }) => ((flags ?? 0) & RCODE) === NOERROR)) {
          const answers = replies.flatMap((reply) => reply.answers ?? []);
          return answers.flatMap((answer) => (answer.type === "A" || answer.type === "AAAA" ? [answer.data] : []));
        }
        failure = new LookupError(`on ${server}:${DNS_PORT}: server misbehaving`);
      } catch (error) {
        if (error instanceof NoSuchHost || !(error instanceof LookupError)) throw error;
        failure = error;
      }
      signal.throwIfAborted();
    }
  }
  throw failure;
}

class NoSuchHost extends LookupError {}

/** Asks one server for both kinds of addresses; resolves with both replies, that for IPv4 first. */
function exchange(
  network: NetworkNamespace,
  server: string,
  name: string,
  signal: AbortSignal,
): Promise<DecodedPacket[]> {
  const family = isIP(server) === 6 ? 6 : 4;
  const socket = createSocket(family === 6 ? "udp6" : "udp4");
  const fd = network.enter(() => {
    const opened = openSocket("udp", server);
    bindInTurn(opened, network.fd, family);
    return opened;
  });
  const firstId = Math.floor(Math.random() * 0xffff);
  const replies: (DecodedPacket | undefined)[] = TYPES.map(() => undefined);
  return new Promise<DecodedPacket[]>((resolve, reject) => {
    const failed = (what: string): void => reject(new LookupError(`on ${server}:${DNS_PORT}: ${what}`));
    const timer = setTimeout(() => failed("i/o timeout"), TIMEOUT_MS);
    const giveUp = (): void => failed("operation was canceled");
    signal.addEventListener("abort", giveUp, { once: true });
    socket.once("close", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    });
    // A connected socket hears that nothing listens there.
    socket.on("error", (error: NodeJS.ErrnoException) =>
      failed(error.code === "ECONNREFUSED" ? "connection refused" : error.message),
    );
    socket.on("message", (message) => {
      const reply = readReply(message);
      const index = (reply?.id ?? -1) - firstId;
      // What was cut off to fit is taken as it is: one address is enough.
      if (reply !== undefined && index in replies) replies[index] = reply;
      if (replies.every((each) => each !== undefined)) resolve(replies as DecodedPacket[]);
    });
    socket.bind({ fd }, () =>
      socket.connect(DNS_PORT, server, () => {
        for (const [index, type] of TYPES.entries()) socket.send(query(firstId + index, type, name));
      }),
    );
  }).finally(() => socket.close());
}

function query(id: number, type: (typeof TYPES)[number], name: string): Buffer {
  return encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type, name }],
    additionals: [
      {
        type: "OPT",
        name: ".",
        udpPayloadSize: UDP_PAYLOAD_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  });
}

/** Undefined for what is no message: anybody may send a datagram. */
function readReply(message: Buffer): DecodedPacket | undefined {
  try {
    return decode(message);
  } catch {
    return undefined;
  }
}
