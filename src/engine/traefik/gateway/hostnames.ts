/**
 * The names that a listener and a route have in common, the narrower of each two; undefined where there are none (findMatchingHostnames). A wildcard stands
 * for names of any depth below its domain, and not for the domain itself.
 */
export function commonHostnames(ofListener: string | undefined, ofRoute: readonly string[]): string[] | undefined {
  if (ofListener === undefined) return [...ofRoute];
  if (ofRoute.length === 0) return [ofListener];
  const common = ofRoute.flatMap((name) => {
    if (name === ofListener || isBelow(name, ofListener)) return [name];
    return isBelow(ofListener, name) ? [ofListener] : [];
  });
  return common.length === 0 ? undefined : common;
}

function isBelow(name: string, wildcard: string): boolean {
  if (!wildcard.startsWith("*.")) return false;
  const end = wildcard.slice(1);
  return name !== end && name.endsWith(end);
}
