import { createSocket, type Socket } from "node:dgram";
import type { Behaviour } from "./behaviour.ts";
import type { PodFacts } from "./http-apps.ts";

/** What a UDP server answers to one datagram; undefined: nothing. */
function replyTo(
  data: Buffer,
  sender: { address: string; port: number },
  behaviour: Behaviour,
  pod: PodFacts,
): Buffer | string | undefined {
  switch (behaviour.kind) {
    case "sink":
      return undefined;
    case "say":
      return behaviour.text ?? pod.hostname;
    case "netexec-udp": {
      const asked = data.toString("latin1").trim().toLowerCase();
      if (asked === "hostname") return pod.hostname;
      if (asked === "clientip") return `${sender.address}:${sender.port}`;
      return asked.startsWith("echo ") ? asked.slice("echo ".length) : undefined;
    }
    default:
      return data;
  }
}

/** A UDP server; the caller binds it. A reply that cannot be sent is lost, as any datagram may be. */
export function datagramServer(behaviour: Behaviour, pod: PodFacts, family: "udp4" | "udp6"): Socket {
  const socket = createSocket(family);
  socket.on("message", (data, sender) => {
    const reply = replyTo(data, sender, behaviour, pod);
    if (reply !== undefined) socket.send(reply, sender.port, sender.address, ignoreLoss);
  });
  return socket;
}

/** Without a callback a failed send (ENETUNREACH, EPERM by a rule) would be an error event and end the thread. */
function ignoreLoss(): void {}
