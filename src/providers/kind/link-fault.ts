import type Dockerode from "dockerode";
import { mustExecIn } from "../../exec/docker.ts";

/** In sh(1), for a link $1: whoever moves the folder mends the link, the timer or we. */
const MEND = `
f="/run/cnilab-link-$1"
mv "$f" "$f.mending" 2> /dev/null || exit 0
ip link set "$1" up
ip -6 route restore < "$f.mending/routes6"
ip -4 route restore < "$f.mending/routes4"
echo 0 > "/proc/sys/net/ipv6/conf/$1/keep_addr_on_down"
rm -r "$f.mending"`;

/**
 * Routes go with the link, and IPv6 addresses with it unless they are told to stay (keep_addr_on_down, ip-sysctl); routes are
 * saved where only a restart of the node would lose them, which makes them anew anyway. The timer is there before the link is cut.
 */
const CUT = `
f="/run/cnilab-link-$1"
if [ ! -d "$f" ]; then
  rm -rf "$f.new"; mkdir "$f.new"
  ip -6 route save dev "$1" > "$f.new/routes6"
  ip -4 route save dev "$1" > "$f.new/routes4"
  mv "$f.new" "$f"
fi
if [ -e "$f/timer" ]; then kill -s TERM -- "-$(cat "$f/timer")" 2> /dev/null || true; rm "$f/timer"; fi
if [ -n "$2" ]; then
  setsid sh -c 'sleep "$1"; shift; exec sh -c "$@"' sh "$2" "$3" sh "$1" < /dev/null > /dev/null 2>&1 &
  echo "$!" > "$f/timer"
fi
echo 1 > "/proc/sys/net/ipv6/conf/$1/keep_addr_on_down"
ip link set "$1" down`;

interface CutLink {
  interface: string;
  durationMs?: number;
}

/** Takes a node's link down, for good or until its time is over. Again on one that is down: its time starts anew. */
export async function cutLink(container: Dockerode.Container, { interface: name, durationMs }: CutLink): Promise<void> {
  const seconds = durationMs === undefined ? "" : (durationMs / 1000).toFixed(3);
  await mustExecIn(container, ["sh", "-ec", CUT, "sh", name, seconds, MEND]);
}

/** Brings it back with its routes; idempotent. */
export async function mendLink(container: Dockerode.Container, { interface: name }: CutLink): Promise<void> {
  const script = `
t="/run/cnilab-link-$1/timer"
if [ -e "$t" ]; then kill -s TERM -- "-$(cat "$t")" 2> /dev/null || true; fi
${MEND}`;
  await mustExecIn(container, ["sh", "-ec", script, "sh", name]);
}
