import type { YamlPath } from "../core/yaml-document.ts";
import type { KubeObject, Service, ServicePort } from "../kube/types.ts";
import type { ObjectMutant } from "./mutants.ts";
import { withValue, without } from "./object-edits.ts";

const NOBODY = { "cnilab.dev/mutant": "nobody" };

type Add = (change: ObjectMutant["change"], what: string, path: YamlPath, object: KubeObject) => void;

/** Every way in which one field of a Service that decides where connections go can be wrong. */
export function serviceMutants(service: Service): ObjectMutant[] {
  const { selector, ports = [], type = "ClusterIP", clusterIP, sessionAffinity, externalTrafficPolicy } = service.spec;
  const { internalTrafficPolicy, externalName } = service.spec;
  const made: ObjectMutant[] = [];
  const add: Add = (change, what, path, object) => void made.push({ change, what, path, object });
  const at = (...path: (string | number)[]): YamlPath => ["spec", ...path];
  const keys = Object.keys(selector ?? {});
  if (keys.length > 0)
    add("changed", "selector selects nobody", at("selector"), withValue(service, at("selector"), NOBODY));
  if (keys.length > 1)
    for (const key of keys)
      add("loosened", `selector without ${key}`, at("selector", key), without(service, at("selector", key)));
  if (clusterIP === "None")
    add("changed", "clusterIP None left out", at("clusterIP"), without(service, at("clusterIP")));
  if (type === "NodePort" || type === "LoadBalancer") {
    const inside = without(withValue(service, at("ports"), ports.map(withoutNodePort)), at("externalTrafficPolicy"));
    add("changed", `type ClusterIP in place of ${type}`, at("type"), withValue(inside, at("type"), "ClusterIP"));
    const other = externalTrafficPolicy === "Local" ? "Cluster" : "Local";
    const path = at("externalTrafficPolicy");
    add("changed", `externalTrafficPolicy ${other}`, path, withValue(service, path, other));
  }
  if (internalTrafficPolicy === "Local") {
    const path = at("internalTrafficPolicy");
    add("changed", "internalTrafficPolicy Cluster", path, withValue(service, path, "Cluster"));
  }
  if (type === "ExternalName" && externalName !== undefined) {
    const [, ...domain] = externalName.split(".");
    const other = ["nobody", ...domain].join(".");
    add("changed", `externalName ${other}`, at("externalName"), withValue(service, at("externalName"), other));
  }
  if (sessionAffinity === "ClientIP")
    add(
      "changed",
      "sessionAffinity left out",
      at("sessionAffinity"),
      without(without(service, at("sessionAffinityConfig")), at("sessionAffinity")),
    );
  for (const [index, port] of ports.entries()) mutatePort(service, port, index, add);
  return made;
}

function mutatePort(service: Service, { port, targetPort, nodePort }: ServicePort, index: number, add: Add): void {
  const at = (...path: (string | number)[]): YamlPath => ["spec", "ports", index, ...path];
  if ((service.spec.ports ?? []).length > 1) add("left out", `port ${port} left out`, at(), without(service, at()));
  // What the port leads to stays, where it is the port itself that is meant by default.
  const elsewhere = withValue(service, at("port"), next(port));
  add(
    "changed",
    `port ${port} changed to ${next(port)}`,
    at("port"),
    withValue(elsewhere, at("targetPort"), targetPort ?? port),
  );
  const target = typeof targetPort === "string" ? "nobody" : next(targetPort ?? port);
  add(
    "changed",
    `targetPort ${targetPort ?? port} changed to ${target}`,
    at("targetPort"),
    withValue(service, at("targetPort"), target),
  );
  if (nodePort !== undefined)
    add(
      "changed",
      `nodePort ${nodePort} changed to ${next(nodePort)}`,
      at("nodePort"),
      withValue(service, at("nodePort"), next(nodePort)),
    );
}

/**
 * Why a change of a Service changes nothing that anyone could see; undefined where it may. Of an ExternalName only that name is
 * used. Of a headless Service only the names are: ports stand in SRV records alone, and those are of named ports.
 */
export function equalService(before: Service, now: Service): string | undefined {
  const aliases = [before, now].map(({ spec }) => (spec.type === "ExternalName" ? spec.externalName : undefined));
  if (aliases[0] !== undefined && aliases[0] === aliases[1])
    return "an ExternalName Service is an alias, and nothing else of it is used";
  const { ports = [], ...rest } = now.spec;
  const isNamesAlone = before.spec.clusterIP === "None" && ports.every(({ name }) => name === undefined);
  const { ports: _ports, ...was } = before.spec;
  if (!isNamesAlone || JSON.stringify(was) !== JSON.stringify(rest)) return undefined;
  return "a headless Service is names alone, and only ports with a name are in DNS";
}

function next(port: number): number {
  return port === 65_535 ? port - 1 : port + 1;
}

function withoutNodePort({ nodePort: _nodePort, ...port }: ServicePort): ServicePort {
  return port;
}
