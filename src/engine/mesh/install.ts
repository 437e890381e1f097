import { ROOT_NAMESPACE, NETWORKING_API, SECURITY_API, type MeshKind } from "../../kube/mesh/mesh-types.ts";
import { splitApiVersion } from "../../kube/group-version.ts";
import type { KubeObject } from "../../kube/types.ts";
import type { Controller } from "../controllers/controller.ts";
import type { AdmissionRule, ObjectStore } from "../store/store.ts";
import { sidecarInjection } from "./injection.ts";

/** The webhooks of istiod. */
export const meshAdmission: readonly AdmissionRule[] = [sidecarInjection];

const ROOT_CERTIFICATE = "istio-ca-root-cert";

interface Served {
  plural: string;
  short: string;
  api: string;
  columns: { name: string; jsonPath: string }[];
}

/** As istio's own definitions have them (manifests/charts/base/files/crd-all.gen.yaml); their fields are checked as a manifest's are. */
const SERVED: Readonly<Record<MeshKind, Served>> = {
  VirtualService: {
    plural: "virtualservices",
    short: "vs",
    api: NETWORKING_API,
    columns: [
      { name: "Gateways", jsonPath: ".spec.gateways" },
      { name: "Hosts", jsonPath: ".spec.hosts" },
    ],
  },
  DestinationRule: {
    plural: "destinationrules",
    short: "dr",
    api: NETWORKING_API,
    columns: [{ name: "Host", jsonPath: ".spec.host" }],
  },
  PeerAuthentication: {
    plural: "peerauthentications",
    short: "pa",
    api: SECURITY_API,
    columns: [{ name: "Mode", jsonPath: ".spec.mtls.mode" }],
  },
  AuthorizationPolicy: {
    plural: "authorizationpolicies",
    short: "ap",
    api: SECURITY_API,
    columns: [{ name: "Action", jsonPath: ".spec.action" }],
  },
};

/** Writes what an installation of Istio brings: its namespace and the definitions of its objects. */
export function installMesh(store: ObjectStore): void {
  if (store.get("Namespace", ROOT_NAMESPACE) !== undefined) return;
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: ROOT_NAMESPACE } });
  for (const [kind, served] of Object.entries(SERVED)) store.create(definition(kind, served));
}

function definition(kind: string, { plural, short, api, columns }: Served): KubeObject {
  const [group, version] = splitApiVersion(api);
  const age = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [short],
        categories: ["istio-io", group.replaceAll(".", "-")],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: [...columns.map((column) => ({ ...column, type: "string" })), age],
        },
      ],
    },
  };
}

/** Keeps the ConfigMap with the mesh's root certificate in every namespace, as istiod does. */
export function rootCertificates(certificate: string): Controller {
  return {
    name: "istio-root-certificates",
    kinds: ["Namespace", "ConfigMap"],
    *keysOf({ key, type, object }) {
      if (key === "Namespace") yield object.metadata.name;
      else if (type === "DELETED" && object.metadata.name === ROOT_CERTIFICATE) yield object.metadata.namespace ?? "";
    },
    reconcile(namespace, { store }) {
      const live = store.get("Namespace", namespace);
      if (live === undefined || live.metadata.deletionTimestamp !== undefined) return;
      if (store.find({ kind: "ConfigMap", namespace, name: ROOT_CERTIFICATE }) !== undefined) return;
      store.create({
        apiVersion: "v1",
        kind: "ConfigMap",
        metadata: { name: ROOT_CERTIFICATE, namespace, labels: { "istio.io/config": "true" } },
        data: { "root-cert.pem": certificate },
      });
    },
  };
}
