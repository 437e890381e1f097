import type { CustomSchema } from "../custom-resource/custom-schema.ts";
import { LISTENERS, TLS_HAS_CERTIFICATE } from "./gateway-rules.ts";
import { GATEWAY_GROUP } from "./gateway-types.ts";
import { labelSelector } from "./route-schema.ts";
import {
  conditions,
  groupName,
  hostname,
  kindName,
  list,
  listBy,
  mapOf,
  namespaceName,
  object,
  objectName,
  pending,
  port,
  rules,
  sectionName,
  text,
  words,
} from "./schema-parts.ts";

/** A domain and a path, such as `traefik.io/gateway-controller`. */
const CONTROLLER = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+$";

const routeKinds = (): CustomSchema =>
  list(object({ group: groupName({ default: GATEWAY_GROUP }), "kind!": kindName() }), 8);

const SAME = { from: "Same" };

const listener = (): CustomSchema =>
  object({
    "name!": sectionName(),
    "port!": port(),
    "protocol!": text(255, { minLength: 1 }),
    hostname: hostname(),
    tls: object(
      {
        mode: { ...words("Terminate", "Passthrough"), default: "Terminate" },
        certificateRefs: list(
          object({
            group: groupName({ default: "" }),
            kind: kindName({ default: "Secret" }),
            "name!": objectName(),
            namespace: namespaceName(),
          }),
          64,
        ),
        options: mapOf(text(4096), 16),
      },
      rules(TLS_HAS_CERTIFICATE),
    ),
    allowedRoutes: object(
      {
        namespaces: object(
          { from: { ...words("All", "Selector", "Same"), default: "Same" }, selector: labelSelector() },
          { default: SAME },
        ),
        kinds: routeKinds(),
      },
      { default: { namespaces: SAME } },
    ),
  });

const listenerStatus = (): CustomSchema =>
  object({
    "name!": sectionName(),
    "attachedRoutes!": { type: "integer", format: "int32" },
    "supportedKinds!": routeKinds(),
    "conditions!": conditions(),
  });

const address = (...required: string[]): CustomSchema => ({
  ...object({ type: text(253, { minLength: 1, default: "IPAddress" }), value: text(253) }),
  ...(required.length === 0 ? {} : { required }),
});

const gatewayPending = pending("Accepted", "Programmed");

/** Gateway. */
export const gatewaySchema = (): CustomSchema =>
  object({
    "spec!": object({
      "gatewayClassName!": objectName(),
      "listeners!": listBy("name", listener(), 64, { minItems: 1, ...rules(...LISTENERS) }),
      addresses: list(address(), 16),
      infrastructure: object({
        labels: mapOf(text(63), 8),
        annotations: mapOf(text(4096), 8),
        parametersRef: object({ "group!": groupName(), "kind!": kindName(), "name!": objectName() }),
      }),
    }),
    status: object(
      {
        addresses: list(address("value"), 16),
        conditions: conditions({ default: gatewayPending.conditions }),
        listeners: listBy("name", listenerStatus(), 64),
      },
      { default: gatewayPending },
    ),
  });

const classPending = pending("Accepted");

/** GatewayClass. */
export const gatewayClassSchema = (): CustomSchema =>
  object({
    "spec!": object({
      "controllerName!": text(253, { minLength: 1, pattern: CONTROLLER }),
      description: text(64),
      parametersRef: object({
        "group!": groupName(),
        "kind!": kindName(),
        "name!": objectName(),
        namespace: namespaceName(),
      }),
    }),
    status: object({ conditions: conditions({ default: classPending.conditions }) }, { default: classPending }),
  });
