/** Manifests of the session, by the names that its steps use. */
const IMAGE = "registry.k8s.io/e2e-test-images/agnhost:2.53";

const policy = (port: number): string => `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: only-red
spec:
  podSelector:
    matchLabels:
      app: web
  ingress:
    - from:
        - namespaceSelector:
            matchLabels:
              team: red
        - ipBlock:
            cidr: 10.0.0.0/8
            except: [10.1.0.0/16]
      ports:
        - port: ${port}
`;

const settings = (colour: string): string => `apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
data:
  colour: ${colour}
`;

const pods = (app: string): string => `  selector:
    matchLabels:
      app: ${app}
  template:
    metadata:
      labels:
        app: ${app}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: main
          image: ${IMAGE}
          args: [netexec, --http-port=8080]
`;

export const files: Readonly<Record<string, string>> = {
  policy: policy(8080),
  "changed-policy": policy(8081),
  "unknown-field": settings("red").replace("data:", "dta:"),
  "wrong-type": "apiVersion: v1\nkind: Service\nmetadata: { name: wrong }\nspec: { ports: [{ port: eighty }] }\n",
  "not-a-name": settings("red").replace("name: settings", "name: Not_A_Name"),
  settings: settings("red"),
  "other-settings": settings("blue"),
  stateful: `apiVersion: v1
kind: Service
metadata:
  name: db
spec:
  clusterIP: None
  selector: { app: db }
  ports: [{ port: 8080 }]
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
spec:
  serviceName: db
  replicas: 2
${pods("db")}`,
  everywhere: `apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: agent
spec:
${pods("agent")}`,
  definition: `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: widgets.lab.example
spec:
  group: lab.example
  scope: Namespaced
  names: { plural: widgets, singular: widget, kind: Widget }
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                size: { type: integer }
      additionalPrinterColumns:
        - { name: Size, type: integer, jsonPath: .spec.size }
`,
  widget: `apiVersion: lab.example/v1
kind: Widget
metadata:
  name: first
spec:
  size: 3
`,
};
