import { apiVersionOf } from "../../kube/group-version.ts";
import { isRecord } from "../../core/is-record.ts";
import type { Resource } from "./resources.ts";

/** Whoever has the lab's token: the administrator that kubeadm makes. */
const USER = { username: "kubernetes-admin", groups: ["system:masters", "system:authenticated"] };

/** Answers a review: a lab has one user, who may do everything. */
export function answerReview(resource: Resource, body: unknown): object {
  const sent = isRecord(body) ? body : {};
  const head = { kind: resource.kind, apiVersion: apiVersionOf(resource), metadata: { creationTimestamp: null } };
  switch (resource.kind) {
    case "SelfSubjectReview":
      return { ...head, status: { userInfo: USER } };
    case "SelfSubjectRulesReview":
      return {
        ...head,
        spec: sent["spec"] ?? {},
        status: {
          resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
          nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
          incomplete: false,
        },
      };
    default:
      return { ...head, spec: sent["spec"] ?? {}, status: { allowed: true } };
  }
}
