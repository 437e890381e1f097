import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { quoteWord } from "../../core/shell-word.ts";
import type { Layout } from "./layout.ts";

/**
 * A shell script that stands for the docker command: it starts each container in its own network, under its own address, where
 * kind asks for the one network that it knows; all else is the real command's. `real` is its path.
 */
export function dockerCommand(real: string, { legs, hosts }: Pick<Layout, "legs" | "hosts">): string {
  const cases = [...legs].map(([container, [first]]) => {
    const names = [...(hosts.get(container) ?? [])].flatMap(([name, address]) => ["--add-host", `${name}:${address}`]);
    const words = ["--ip", first?.address ?? "", ...names].map(quoteWord).join(" ");
    return `${quoteWord(container)}) network=${quoteWord(first?.network ?? "")}; set -- ${words} "$@" ;;`;
  });
  return `#!/bin/sh
# kind puts all nodes into one Docker network; this one, which it finds first, puts each into its own.
if [ "\${1-}" != run ]; then exec ${quoteWord(real)} "$@"; fi
shift
last= name= network=
for word; do
  if [ "$last" = --name ]; then name=$word; fi
  last=$word
done
case $name in
${cases.join("\n")}
*) exec ${quoteWord(real)} run "$@" ;;
esac
count=$# last=
while [ "$count" -gt 0 ]; do
  word=$1
  shift
  if [ "$last" = --net ]; then set -- "$@" "$network"; else set -- "$@" "$word"; fi
  last=$word
  count=$((count - 1))
done
exec ${quoteWord(real)} run "$@"
`;
}

/** Writes {@link dockerCommand} into a folder that is to stand first in kind's PATH. */
export function writeDockerCommand(folder: string, real: string, layout: Pick<Layout, "legs" | "hosts">): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, "docker"), dockerCommand(real, layout), { mode: 0o700 });
}
