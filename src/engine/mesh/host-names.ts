/** A host of an object of the mesh as a full name: one without a dot is of the object's own namespace (istio.io … virtual-service, hosts). */
export function fullHost(host: string, namespace: string, domain: string): string {
  return host.includes(".") || host === "*" ? host.toLowerCase() : `${host.toLowerCase()}.${namespace}.svc.${domain}`;
}

/** The name under which the mesh knows a Service. */
export function serviceHost(service: { name: string; namespace: string }, domain: string): string {
  return `${service.name}.${service.namespace}.svc.${domain}`;
}

/** The names by which a client in this namespace may ask for a Service. */
export function namesOf(service: { name: string; namespace: string }, domain: string, from: string): string[] {
  const { name, namespace } = service;
  const full = [`${name}.${namespace}`, `${name}.${namespace}.svc`, serviceHost(service, domain)];
  return namespace === from ? [name, ...full] : full;
}

/** How well a host of an object fits a name: 0 not at all, the longer the better, an equal one best. */
export function hostFit(host: string, name: string): number {
  if (host === name) return Number.MAX_SAFE_INTEGER;
  if (!host.startsWith("*")) return 0;
  return name.endsWith(host.slice(1)) && name.length >= host.length ? host.length : 0;
}

/** The thing whose host fits best; of equals the first. */
export function bestFit<Thing>(
  things: readonly Thing[],
  name: string,
  hostsOf: (thing: Thing) => readonly string[],
): Thing | undefined {
  let best: { thing: Thing; fit: number } | undefined;
  for (const thing of things)
    for (const host of hostsOf(thing)) {
      const fit = hostFit(host, name);
      if (fit > (best?.fit ?? 0)) best = { thing, fit };
    }
  return best?.thing;
}
