import { randomInt } from "node:crypto";
import { icmpBytes, notSent, replyOf } from "../../../kernel/echo.ts";
import type { EchoReply, EchoRequest } from "../../../kernel/echo.ts";
import type { AgentChannel } from "./channel.ts";
import type { WirePlace } from "./wire.ts";

/** Echo requests of an agent's socket: it sends, and forwards all ICMP that it is shown; what that says is read here. */
export async function echoThrough(
  channel: AgentChannel,
  place: WirePlace,
  { address, sizes, tries, deadlineMs }: EchoRequest,
  signal: AbortSignal,
): Promise<EchoReply[]> {
  signal.throwIfAborted();
  const identifier = randomInt(0x10000);
  const replies = new Map<number, EchoReply>();
  const take = (reply: EchoReply | undefined): void => {
    if (reply !== undefined && !replies.has(reply.size)) replies.set(reply.size, reply);
  };
  const lengths = sizes.map((size) => icmpBytes(address, size));
  const end = (): void => void note({ op: "kill" });
  const { result, note } = channel.request(
    { op: "echo", place, address, lengths, identifier, tries, deadlineMs },
    ({ unsent = [], received = [] }) => {
      for (const [index, errno] of unsent) take(notSent(sizes[index] ?? 0, errno));
      for (const [source, data] of received)
        take(replyOf(Buffer.from(data, "base64"), source, { address, id: identifier, sizes }));
      if (replies.size === sizes.length) end();
    },
  );
  signal.addEventListener("abort", end, { once: true });
  try {
    await result;
  } finally {
    signal.removeEventListener("abort", end);
  }
  signal.throwIfAborted();
  return sizes.map((size) => replies.get(size) ?? { size, outcome: "silent" });
}
