import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { columnsOf, rowOf } from "../../../../src/engine/api/table.ts";
import type { KubeObject } from "../../../../src/kube/types.ts";

/** What `kubectl get -o wide` of an API server of 1.34 shows of each, without the age. */
const SHOWN: readonly [string, string, string][] = [
  [
    "kind: Job, metadata: { name: j }, spec: { completions: 6, parallelism: 3, template: { spec: { containers: [{ name: c, image: i }] } } }",
    "Name|Status|Completions|Duration|Age|Containers|Images|Selector",
    "j|Running|0/6|||c|i|<none>",
  ],
  [
    'kind: Job, metadata: { name: j }, spec: {}, status: { succeeded: 1, startTime: "2026-01-01T00:00:00Z", completionTime: "2026-01-01T00:00:05Z", conditions: [{ type: Complete, status: "True" }] }',
    "Name|Status|Completions|Duration|Age|Containers|Images|Selector",
    "j|Complete|1/1|5s||||<none>",
  ],
  [
    'kind: CronJob, metadata: { name: cj }, spec: { schedule: "*/5 * * * *", jobTemplate: { spec: { template: { spec: { containers: [{ name: c, image: i }] } } } } }',
    "Name|Schedule|Timezone|Suspend|Active|Last Schedule|Age|Containers|Images|Selector",
    "cj|*/5 * * * *|<none>|False|0|<none>||c|i|<none>",
  ],
  [
    'kind: PodDisruptionBudget, metadata: { name: p }, spec: { maxUnavailable: "50%" }',
    "Name|Min Available|Max Unavailable|Allowed Disruptions|Age",
    "p|N/A|50%|0|",
  ],
  [
    "kind: PriorityClass, metadata: { name: pc }, value: 10",
    "Name|Value|Global-Default|Age|PreemptionPolicy",
    "pc|10|false||PreemptLowerPriority",
  ],
  [
    'kind: ResourceQuota, metadata: { name: q }, status: { hard: { pods: "3", limits.cpu: "2" }, used: { pods: "1", limits.cpu: "0" } }',
    "Name|Request|Limit|Age",
    "q|pods: 1/3|limits.cpu: 0/2|",
  ],
  [
    "kind: RoleBinding, metadata: { name: rb }, roleRef: { kind: Role, name: r }, subjects: [{ kind: User, name: jane }, { kind: Group, name: devs }, { kind: ServiceAccount, name: bob, namespace: n }]",
    "Name|Role|Age|Users|Groups|ServiceAccounts",
    "rb|Role/r||jane|devs|n/bob",
  ],
  [
    "kind: PersistentVolume, metadata: { name: pv }, spec: { capacity: { storage: 1Gi }, accessModes: [ReadWriteOnce, ReadOnlyMany], storageClassName: sc, claimRef: { name: c, namespace: default } }",
    "Name|Capacity|Access Modes|Reclaim Policy|Status|Claim|StorageClass|VolumeAttributesClass|Reason|Age|VolumeMode",
    "pv|1Gi|RWO,ROX|Retain|Pending|default/c|sc|<unset>|||Filesystem",
  ],
  [
    "kind: PersistentVolumeClaim, metadata: { name: pvc }, spec: { accessModes: [ReadWriteMany], storageClassName: sc }",
    "Name|Status|Volume|Capacity|Access Modes|StorageClass|VolumeAttributesClass|Age|VolumeMode",
    "pvc|Pending||||sc|<unset>||Filesystem",
  ],
  [
    'kind: StorageClass, metadata: { name: sc, annotations: { storageclass.kubernetes.io/is-default-class: "true" } }, provisioner: x.y/z',
    "Name|Provisioner|ReclaimPolicy|VolumeBindingMode|AllowVolumeExpansion|Age",
    "sc (default)|x.y/z|Delete|Immediate|false|",
  ],
  [
    "kind: ReplicationController, metadata: { name: rc }, spec: { replicas: 2, selector: { a: b }, template: { spec: { containers: [{ name: c, image: i }] } } }",
    "Name|Desired|Current|Ready|Age|Containers|Images|Selector",
    "rc|2|0|0||c|i|a=b",
  ],
  ["kind: RuntimeClass, metadata: { name: rc }, handler: h", "Name|Handler|Age", "rc|h|"],
  ["kind: Lease, metadata: { name: l }, spec: { holderIdentity: me }", "Name|Holder|Age", "l|me|"],
];

test.each(SHOWN)("%s", (text, header, row) => {
  const object = parseAllDocuments(`{ ${text} }`)[0]?.toJSON() as KubeObject;
  const columns = columnsOf({ key: object.kind } as Parameters<typeof columnsOf>[0]);
  expect(columns.map(({ definition }) => definition.name).join("|")).toBe(header);
  const cells = rowOf(columns, object, Date.parse("2026-01-01T00:01:00Z"));
  const shown = cells.map((cell, index) => (columns[index]?.definition.name === "Age" ? "" : String(cell)));
  expect(shown.join("|")).toBe(row);
});
