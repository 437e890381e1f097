/*
 * Names, ages and addresses are each cluster's own: they are replaced by words, so that what two clusters said can be compared letter by
 * letter.
 */

const RULES: readonly [pattern: RegExp, by: string][] = [
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "UID"],
  [/resourceVersion: "\d+"/g, 'resourceVersion: "VERSION"'],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "TIME"],
  [/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [+-]\d{4}(?: UTC)?/g, "TIME"],
  [/\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, "TIME"],
  // Names that controllers give: of a ReplicaSet's pods, of ReplicaSets, of a DaemonSet's pods.
  [/\b(web)-[a-z0-9]{8,10}-[a-z0-9]{5}\b/g, "$1-HASH-ID"],
  [/\b(web)-[a-z0-9]{8,10}\b/g, "$1-HASH"],
  [/\b(agent)-[a-z0-9]{5}\b/g, "$1-ID"],
  [/(pod-template-hash[=:] ?)[a-z0-9]+/g, "$1HASH"],
  [/\b(?:\d{1,3}\.){3}\d{1,3}\b/g, "ADDRESS"],
  [/\/tmp\/(LIVE|MERGED)-\d+/g, "$1"],
  // How far a rollout was when kubectl looked.
  [/^Waiting for .*\n/gm, ""],
  // A node port that the cluster chose.
  [/\b3[0-2]\d{3}\b/g, "NODEPORT"],
  [/\b(?:\d+d)?(?:\d+h)?(?:\d+m)?\d+s\b(?! *x\d)/g, "AGE"],
  [/\b\d+[mhd](?:\d+[hm])?(?= |$)/gm, "AGE"],
];

/** What a step said, without what is each cluster's own; columns are parted by two spaces, whatever their width. */
export function withoutOwn(text: string, nodes: readonly string[]): string {
  let plain = text;
  for (const node of nodes.toSorted((one, other) => other.length - one.length)) plain = plain.replaceAll(node, "NODE");
  for (const [pattern, by] of RULES) plain = plain.replace(pattern, by);
  return plain
    .split("\n")
    .map((line) =>
      line
        .replaceAll(/(?<=\S) {2,}/g, "  ")
        .replace(/^ {10,}/, " ".repeat(10))
        .replaceAll(/-{3,}/g, "---")
        .trimEnd(),
    )
    .join("\n");
}
