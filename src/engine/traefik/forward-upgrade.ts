import type { ClientRequest, IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { asError } from "../../core/as-error.ts";
import { responseHeaders } from "./forwarded-headers.ts";
import { type Exchange, refuse, relay } from "./forward.ts";

/**
 * Sends on a request that wants its connection for another protocol (RFC 9110 7.8), WebSocket mostly. Where the server agrees, bytes go both
 * ways from then on, until one side ends; any other answer is one like others.
 */
export function forwardUpgrade(exchange: Exchange, client: Duplex, head: Buffer): void {
  const { upstreams, server, wanted } = exchange;
  let sent: ClientRequest;
  try {
    sent = upstreams.begin(server, wanted, true);
  } catch (error) {
    refuse(exchange, asError(error));
    return;
  }
  client.once("close", () => sent.destroy());
  sent.once("response", (answer) => relay(answer, exchange));
  sent.on("error", (error) => {
    if (!client.destroyed) refuse(exchange, error);
  });
  sent.once("upgrade", (answer, upstream, upstreamHead) => {
    exchange.response.detachSocket(client as never);
    client.write(switchingHead(answer, exchange));
    client.write(upstreamHead);
    upstream.write(head);
    join(client, upstream);
  });
  sent.end();
}

function switchingHead(answer: IncomingMessage, { setCookie, change }: Exchange): string {
  const headers = responseHeaders(answer.rawHeaders, true);
  change?.(headers);
  const cookies = setCookie === undefined ? [] : [`Set-Cookie: ${setCookie}`];
  const lines = [...headers].flatMap(([name, values]) => values.map((value) => `${name}: ${value}`));
  return ["HTTP/1.1 101 Switching Protocols", ...cookies, ...lines, "", ""].join("\r\n");
}

/** Neither side is read from while the other does not take it. */
function join(one: Duplex, other: Duplex): void {
  one.pipe(other);
  other.pipe(one);
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const)
    from.on("error", () => to.destroy()).once("close", () => to.destroy());
}
