import type { CustomSchema } from "../custom-resource/custom-schema.ts";
import type { KubeObject } from "../types.ts";
import { gatewayClassSchema, gatewaySchema } from "./gateway-schema.ts";
import { GATEWAY_API_VERSION, GATEWAY_CLASS, GATEWAY_CONTROLLER, GATEWAY_GROUP } from "./gateway-types.ts";
import { grpcRouteSchema, httpRouteSchema, referenceGrantSchema } from "./route-schema.ts";

interface GatewayKind {
  plural: string;
  short?: string;
  version: "v1" | "v1beta1";
  scope: "Cluster" | "Namespaced";
  columns: { name: string; jsonPath: string; type: "string" | "date"; priority?: number }[];
  schema: CustomSchema;
}

const AGE = { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" } as const;
const column = (name: string, jsonPath: string): GatewayKind["columns"][number] => ({ name, type: "string", jsonPath });
const condition = (type: string): GatewayKind["columns"][number] =>
  column(type, `.status.conditions[?(@.type=="${type}")].status`);

const KINDS: Readonly<Record<string, GatewayKind>> = {
  GatewayClass: {
    plural: "gatewayclasses",
    short: "gc",
    version: "v1",
    scope: "Cluster",
    columns: [
      column("Controller", ".spec.controllerName"),
      condition("Accepted"),
      AGE,
      { ...column("Description", ".spec.description"), priority: 1 },
    ],
    schema: gatewayClassSchema(),
  },
  Gateway: {
    plural: "gateways",
    short: "gtw",
    version: "v1",
    scope: "Namespaced",
    columns: [
      column("Class", ".spec.gatewayClassName"),
      column("Address", ".status.addresses[*].value"),
      condition("Programmed"),
      AGE,
    ],
    schema: gatewaySchema(),
  },
  HTTPRoute: {
    plural: "httproutes",
    version: "v1",
    scope: "Namespaced",
    columns: [column("Hostnames", ".spec.hostnames"), AGE],
    schema: httpRouteSchema(),
  },
  GRPCRoute: {
    plural: "grpcroutes",
    version: "v1",
    scope: "Namespaced",
    columns: [column("Hostnames", ".spec.hostnames"), AGE],
    schema: grpcRouteSchema(),
  },
  ReferenceGrant: {
    plural: "referencegrants",
    short: "refgrant",
    version: "v1beta1",
    scope: "Namespaced",
    columns: [AGE],
    schema: referenceGrantSchema(),
  },
};

/** The schema of an object of these kinds; undefined of any other. */
export function gatewaySchemaOf({
  apiVersion,
  kind,
}: Pick<KubeObject, "apiVersion" | "kind">): CustomSchema | undefined {
  const known = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  return known !== undefined && apiVersion === `${GATEWAY_GROUP}/${known.version}` ? known.schema : undefined;
}

/** The kinds that have a meaning here, with what a manifest of them is checked by. */
export function interpretedGatewayKinds(): {
  kind: string;
  apiVersion: string;
  namespaced: boolean;
  schema: CustomSchema;
}[] {
  return Object.entries(KINDS)
    .filter(([kind]) => kind !== "GRPCRoute")
    .map(([kind, { version, scope, schema }]) => ({
      kind,
      apiVersion: `${GATEWAY_GROUP}/${version}`,
      namespaced: scope === "Namespaced",
      schema,
    }));
}

/**
 * The kinds' definitions and a class that Traefik serves (gateway-api.sigs.k8s.io, standard channel). The schemas are ours: types, required fields, defaults
 * and what the API refuses, without descriptions.
 */
export function gatewayObjects(): KubeObject[] {
  return [
    ...Object.entries(KINDS).map(([kind, facts]) => definition(kind, facts)),
    {
      apiVersion: `${GATEWAY_GROUP}/v1`,
      kind: "GatewayClass",
      metadata: { name: GATEWAY_CLASS },
      spec: { controllerName: GATEWAY_CONTROLLER },
    },
  ];
}

function definition(kind: string, { plural, short, version, scope, columns, schema }: GatewayKind): KubeObject {
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: {
      name: `${plural}.${GATEWAY_GROUP}`,
      annotations: {
        // Groups below k8s.io need this word (KEP-1111); these schemas are no release of the project's.
        "api-approved.kubernetes.io": `unapproved, fields of Gateway API ${GATEWAY_API_VERSION}`,
        "gateway.networking.k8s.io/bundle-version": GATEWAY_API_VERSION,
        "gateway.networking.k8s.io/channel": "standard",
      },
    },
    spec: {
      group: GATEWAY_GROUP,
      scope,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        ...(short === undefined ? {} : { shortNames: [short] }),
        categories: ["gateway-api"],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          additionalPrinterColumns: columns,
          schema: { openAPIV3Schema: withObjectFields(schema) },
          ...(kind === "ReferenceGrant" ? {} : { subresources: { status: {} } }),
        },
      ],
    },
  };
}

function withObjectFields(schema: CustomSchema): CustomSchema {
  const own = { apiVersion: { type: "string" }, kind: { type: "string" }, metadata: { type: "object" } };
  return { ...schema, properties: { ...own, ...schema.properties } };
}
